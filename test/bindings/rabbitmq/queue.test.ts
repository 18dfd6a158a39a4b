import { connect, type Channel, type Options } from "amqplib";
import { expect, onTestFinished, test, vi } from "vitest";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import { handled as handledByApp } from "../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";
import { errorOf, openQueue, until } from "../opened-queue.ts";

const quorum = { "x-queue-type": "quorum" };

describeWith("rabbitmq", (server) => {
  async function raw(): Promise<Channel> {
    const model = await connect(server.url);
    const channel = await model.createChannel();
    channel.on("error", () => {});
    onTestFinished(() => model.close());
    return channel;
  }

  /** A queue as somebody else has made it, gone after the test. */
  async function made(options: Options.AssertQueue): Promise<string> {
    const queueName = uniqueName("made");
    const channel = await raw();
    await channel.assertQueue(queueName, options);
    onTestFinished(async () => void (await (await raw()).deleteQueue(queueName)));
    return queueName;
  }

  const properties = (queueName: string, more: Record<string, string> = {}) => ({
    ...{ host: server.url, queueName },
    ...more,
  });

  test.each<[string, Options.AssertQueue, string[]]>([
    ["durable", { durable: true }, ["durable is false here and true at the server"]],
    [
      "auto-delete",
      { durable: false, autoDelete: true },
      ["deleteWhenUnused is false here and true"],
    ],
    [
      "a quorum queue with a delivery limit",
      { durable: true, arguments: { ...quorum, "x-delivery-limit": 30 } },
      [
        "durable is false",
        "queueType is not set here and quorum",
        "deliveryLimit is not set here and 30",
      ],
    ],
    [
      "a single active consumer",
      { durable: false, arguments: { "x-single-active-consumer": true } },
      ["singleActiveConsumer is not set here and true"],
    ],
    [
      "a dead letter exchange",
      { durable: false, deadLetterExchange: "dlx", deadLetterRoutingKey: "dead" },
      [
        "deadLetterExchange is not set here and dlx",
        "deadLetterRoutingKey is not set here and dead",
      ],
    ],
    [
      "length limits",
      {
        durable: false,
        maxLength: 5,
        arguments: { "x-max-length-bytes": 900, "x-overflow": "reject-publish" },
      },
      [
        "maxLength is not set here and 5",
        "maxLengthBytes is not set here and 900",
        "overflow is not set here and reject-publish",
      ],
    ],
    [
      "another time to live",
      { durable: false, messageTtl: 60_000 },
      ["ttl is not set here and 60000"],
    ],
    ["priorities", { durable: false, maxPriority: 3 }, ["maxPriority is not set here and 3"]],
    [
      "an argument without a field",
      { durable: false, arguments: { "x-queue-mode": "lazy" } },
      ["x-queue-mode is not set here and lazy"],
    ],
  ])(
    "a queue that is there and has %s is used as it is, with one notice",
    async (_name, options, words) => {
      const queueName = await made(options);
      const queue = await openQueue(rabbitmq, properties(queueName));
      expect(queue.notices).toHaveLength(1);
      expect(queue.notices[0]).toContain("made otherwise; it is used as it is");
      for (const word of words) expect(queue.notices[0]).toContain(word);
      await queue.create("x");
      const reading = await queue.read();
      await until(() => reading.texts.includes("x"));
      await queue.ping();
      expect([...queue.losses, ...reading.losses]).toEqual([]);
    },
  );

  test("what the metadata asks for and the queue has not is named, too", async () => {
    const queueName = await made({ durable: false, messageTtl: 60_000 });
    const asked = {
      ttl: "5s",
      maxLength: "7",
      deadLetterExchange: "dlx",
      deleteWhenUnused: "true",
    };
    const queue = await openQueue(rabbitmq, properties(queueName, asked));
    for (const word of [
      "deleteWhenUnused is true here and false",
      "ttl is 5000 here and 60000",
      "maxLength is 7 here and not set",
      "deadLetterExchange is dlx here and not set",
    ])
      expect(queue.notices[0]).toContain(word);
  });

  test("the notice is the state's reason and one warning; what cannot work has failed", async () => {
    const queueName = await made({ durable: true, arguments: quorum });
    const place = { properties: properties(queueName) };
    const { status, lines, app } = await read({ binding: rabbitmq }, place);
    await vi.waitFor(() => expect(status()).toMatchObject({ state: "running" }), 20_000);
    expect(status().reason).toContain("queueType is not set here and quorum at the server");
    const warnings = lines.filter((line) => JSON.stringify(line).includes("made otherwise"));
    expect(warnings).toHaveLength(1);
    (await raw()).sendToQueue(queueName, Buffer.from("x"));
    await vi.waitFor(() => expect(app.texts).toEqual(["x"]), 20_000);

    const wrong = { properties: properties(uniqueName("none"), { deliveryLimit: "3" }) };
    const other = await read({ binding: rabbitmq }, wrong, () => handledByApp);
    await vi.waitFor(() => expect(other.status()).toMatchObject({ state: "failed" }), 20_000);
    expect(other.status().reason).toContain("see deliveryLimit in the component's metadata");
  });

  test("the fields declare what they say", async () => {
    const channel = await raw();
    const named: [Record<string, string>, Options.AssertQueue][] = [
      [
        {
          ...{ queueType: "quorum", deliveryLimit: "7", singleActiveConsumer: "true" },
          ...{ deadLetterExchange: "", deadLetterRoutingKey: "dead", maxLength: "100" },
          ...{
            deadLetterStrategy: "at-least-once",
            overflow: "reject-publish",
            maxLengthBytes: "1Mi",
          },
        },
        {
          durable: true,
          arguments: {
            ...quorum,
            ...{ "x-delivery-limit": 7, "x-single-active-consumer": true },
            ...{ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" },
            ...{ "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" },
            ...{ "x-max-length": 100, "x-max-length-bytes": 1_048_576 },
          },
        },
      ],
      [
        { queueType: "classic", queueExpires: "1h" },
        { durable: false, expires: 3_600_000, arguments: { "x-queue-type": "classic" } },
      ],
    ];
    for (const [fields, declared] of named) {
      const queueName = uniqueName("declared");
      const queue = await openQueue(rabbitmq, properties(queueName, fields));
      onTestFinished(async () => void (await (await raw()).deleteQueue(queueName)));
      expect(queue.notices).toEqual([]);
      await expect(channel.assertQueue(queueName, declared)).resolves.toMatchObject({
        queue: queueName,
      });
    }
  });

  test.each<[Record<string, string>, string]>([
    [{ queueType: "quorum", deleteWhenUnused: "true" }, "see deleteWhenUnused"],
    [{ queueType: "quorum", maxPriority: "3" }, "see maxPriority"],
    [{ deliveryLimit: "3" }, "see deliveryLimit"],
  ])(
    "no queue can be made of %j: an error of the metadata that names the field",
    async (fields, words) => {
      const error = await errorOf(openQueue(rabbitmq, properties(uniqueName("none"), fields)));
      expect(error).toMatchObject({ reason: "invalid_argument", systemCode: "406" });
      expect(String(error)).toContain(words);
    },
  );

  test("a quorum queue cannot be exclusive, nor can one that is there become it", async () => {
    const none = await openQueue(
      rabbitmq,
      properties(uniqueName("none"), { queueType: "quorum", exclusive: "true" }),
    );
    expect(await errorOf(none.read())).toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("see exclusive") as string,
    });
    const queueName = await made({ durable: false });
    const shared = await openQueue(rabbitmq, properties(queueName, { exclusive: "true" }));
    expect(await errorOf(shared.read())).toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("leave exclusive out") as string,
    });
  });

  test("a stream can be sent to and not read", async () => {
    const queueName = await made({ durable: true, arguments: { "x-queue-type": "stream" } });
    expect(await errorOf(openQueue(rabbitmq, properties(queueName)))).toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("direction: output") as string,
    });
    const output = await openQueue(rabbitmq, properties(queueName), {
      directions: { input: false, output: true },
    });
    await output.create("x");
  });

  test("somebody else's exclusive queue, and one that is read exclusively, name the cause", async () => {
    const queueName = uniqueName("theirs");
    const channel = await raw();
    await channel.assertQueue(queueName, { exclusive: true });
    expect(await errorOf(openQueue(rabbitmq, properties(queueName)))).toMatchObject({
      reason: "failed_precondition",
      message: expect.stringContaining("the exclusive queue of another connection") as string,
    });

    const read = await made({ durable: false });
    const { consumerTag } = await channel.consume(read, () => {}, { exclusive: true });
    const queue = await openQueue(rabbitmq, properties(read));
    const refused = await errorOf(queue.read());
    expect(refused).toMatchObject({ reason: "permission_denied", systemCode: "403" });
    expect(String(refused)).toContain("another client reads it exclusively");
    await channel.cancel(consumerTag);
    const reading = await queue.read();
    await queue.create("now");
    await until(() => reading.texts.includes("now"));
  });

  test("a delivery limit below the attempts is told, and so is the last return", async () => {
    const queueName = uniqueName("limited");
    const dead = await made({ durable: true });
    const limits = { queueType: "quorum", deliveryLimit: "2" };
    const exchange = { deadLetterExchange: "", deadLetterRoutingKey: dead };
    const queue = await openQueue(rabbitmq, properties(queueName, { ...limits, ...exchange }));
    onTestFinished(async () => void (await (await raw()).deleteQueue(queueName)));
    const reading = await queue.read(() => ({ outcome: "returned", reason: "not yet" }), {
      attempts: 3,
    });
    expect(queue.notices).toHaveLength(1);
    expect(queue.notices[0]).toMatch(
      /delivery limit of queue .* is 2, and the policy has 3 attempts/,
    );
    expect(queue.notices[0]).toContain("moves it to exchange (default)");
    await queue.create("poison", { messageID: "m-1" });
    await until(async () => (await (await raw()).checkQueue(dead)).messageCount === 1);
    expect(reading.events.map(({ attempt }) => attempt)).toEqual([undefined, 2, 3]);
    const told = queue.log.filter(({ message }) =>
      message.includes("more often than its queue allows"),
    );
    expect(told.map(({ level, fields }) => [level, fields])).toEqual([
      ["warn", { event: "m-1", deliveryLimit: 2, deadLetterExchange: "" }],
    ]);
    await reading.close();

    const enough = await openQueue(rabbitmq, properties(queueName, { ...limits, ...exchange }));
    await enough.read(undefined, { attempts: 2 });
    expect(enough.notices).toEqual([]);
    await enough.read(undefined, { attempts: Number.POSITIVE_INFINITY });
    expect(enough.notices[0]).toContain("attempts without end");
  });

  test("a single active consumer: waiting events leave room, and the next reader takes over", async () => {
    const queueName = uniqueName("single");
    const fields = properties(queueName, { singleActiveConsumer: "true", durable: "true" });
    const first = await openQueue(rabbitmq, fields);
    onTestFinished(async () => void (await (await raw()).deleteQueue(queueName)));
    for (let n = 0; n < 120; n++) await first.create(String(n));
    const reading = await first.read(() => "keep", { maxInFlight: 10 });
    const second = await (await openQueue(rabbitmq, fields)).read();
    reading.reader.credit?.(70);
    await until(() => reading.events.length === 120);
    expect(second.events).toEqual([]);
    await reading.abandon();
    await until(() => second.events.length === 120);
    expect(second.texts).toEqual(reading.texts);
  });
});

// Enhanced fan-out, at a stand-in: no emulator sends records over HTTP/2.
import { connect } from "node:net";
import { createServer } from "node:tls";
import { expect, onTestFinished, test, vi } from "vitest";
import kinesis from "../../../../src/bindings/aws/aws.kinesis/index.ts";
import { openInput } from "../../opened-input.ts";
import type { InputOptions } from "../../opened-input.ts";
import { makeCertificates } from "../../certificates.ts";
import { listen } from "../../http/loopback-server.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { handle, textOf, textsOf } from "./reading.ts";
import { subscribingService } from "./subscribing-service.ts";
import type { Subscription } from "./subscribing-service.ts";

const soon = { timeout: 20_000, interval: 5 };
const limit = { timeout: 30_000 };
const shard = "shardId-000000000000";
const arn = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";
const consumer = `${arn}/consumer/shop:1`;

const record = (sequence: number, data = `r${sequence}`): object => ({
  ...{ SequenceNumber: String(sequence), PartitionKey: "k", ApproximateArrivalTimestamp: 1.5 },
  Data: Buffer.from(data).toString("base64"),
});
const event = (sequence: number, ...records: object[]): object => ({
  ...{ Records: records, ContinuationSequenceNumber: String(sequence), MillisBehindLatest: 0 },
});

type Script = Parameters<typeof subscribingService>[0];

/** One shard that was handled up to 10, a lease table that takes everything, and a consumer that is active. */
const script: Script = {
  DescribeStreamSummary: () => ({ StreamDescriptionSummary: { StreamARN: arn } }),
  DescribeStreamConsumer: () => ({
    ConsumerDescription: { ConsumerARN: consumer, ConsumerStatus: "ACTIVE" },
  }),
  ListShards: () => ({
    Shards: [{ ShardId: shard, SequenceNumberRange: { StartingSequenceNumber: "1" } }],
  }),
  DescribeTable: () => ({ Table: { TableStatus: "ACTIVE" } }),
  Scan: () => ({ Items: [{ ShardID: { S: shard }, Checkpoint: { S: "10" } }] }),
  UpdateItem: () => ({ Attributes: { ShardID: { S: shard }, Checkpoint: { S: "10" } } }),
  PutItem: () => ({}),
};
const properties = { streamName: "orders", consumerName: "shop", mode: "extended" };

async function serve(
  subscribe: (subscription: Subscription, count: number) => void,
  more: Script = {},
  options: InputOptions = {},
) {
  const service = await subscribingService({ ...script, ...more }, subscribe);
  const login = emulatorLogin(service.url);
  const input = await openInput(kinesis, { ...login, ...properties }, options);
  return { service, input };
}

test("what is pushed comes behind the checkpoint, and is checkpointed once it is handled", async () => {
  const { service, input } = await serve(({ push }) => {
    push(event(11, record(11)));
    push(event(14, record(12), record(14)));
  });
  const events = [await input.next(), await input.next(), await input.next()];
  expect(events.map((one) => textOf(one))).toEqual(["r11", "r12", "r14"]);
  expect(events[0]?.metadata).toEqual({
    ...{ streamName: "orders", shardId: shard, sequenceNumber: "11", partitionKey: "k" },
    approximateArrivalTimestamp: "1500",
  });
  const [{ input: asked, headers } = { input: {}, headers: {} }] = service.subscriptions;
  expect(asked).toEqual({
    ...{ ConsumerARN: consumer, ShardId: shard },
    StartingPosition: { Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: "10" },
  });
  expect(headers).toMatchObject({
    "x-amz-target": "Kinesis_20131202.SubscribeToShard",
    "content-type": "application/x-amz-json-1.1",
    authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 Credential=test\/.*\/kinesis\//),
    ":authority": new URL(service.url).host,
  });
  expect(service.of("GetRecords")).toEqual([]);
  for (const one of events) handle(one);
  await vi.waitFor(() => expect(JSON.stringify(service.of("UpdateItem"))).toContain('"14"'), soon);
});

test("a consumer that is missing is registered, and awaited", async () => {
  const { service } = await serve(() => undefined, {
    DescribeStreamConsumer: (_input, call) =>
      call === 1
        ? "ResourceNotFoundException"
        : {
            ConsumerDescription: {
              ...{ ConsumerARN: consumer, ConsumerStatus: call === 2 ? "CREATING" : "ACTIVE" },
            },
          },
    RegisterStreamConsumer: () => ({ Consumer: { ConsumerARN: consumer } }),
  });
  expect(service.of("RegisterStreamConsumer").map(({ input }) => input)).toEqual([
    { StreamARN: arn, ConsumerName: "shop" },
  ]);
  expect(service.of("DescribeStreamConsumer")).toHaveLength(3);
  await vi.waitFor(() => expect(service.subscriptions).toHaveLength(1), soon);
});

test("a consumer that another replica has registered at the same moment", async () => {
  const { service } = await serve(() => undefined, {
    DescribeStreamConsumer: (_input, call) =>
      call === 1
        ? "ResourceNotFoundException"
        : { ConsumerDescription: { ConsumerARN: consumer, ConsumerStatus: "ACTIVE" } },
    RegisterStreamConsumer: () => "ResourceInUseException",
  });
  await vi.waitFor(() => expect(service.subscriptions).toHaveLength(1), soon);
});

test("one that has ended is followed by another, from where it had come to", limit, async () => {
  const { service, input } = await serve(({ push, end }, count) => {
    if (count === 1) {
      push(event(11, record(11)));
      push(event(20));
      end();
    } else push(event(21, record(21)));
  });
  await vi.waitFor(() => expect(textsOf(input)).toEqual(["r11", "r21"]), soon);
  const [first, second] = service.subscriptions;
  expect(second?.input["StartingPosition"]).toEqual({
    ...{ Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: "20" },
  });
  // Kinesis refuses a second one within five seconds.
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(4_900);
});

test.each(["refused", "ended", "cut"])("one that is %s for now is tried again", async (how) => {
  const { input } = await serve(({ push, end, refuse, stream }, count) => {
    if (count > 1) return push(event(11, record(11)));
    if (how === "refused") refuse("ResourceInUseException");
    else if (how === "ended") end("InternalFailureException");
    else stream.session?.destroy();
  });
  await vi.waitFor(() => expect(textsOf(input)).toEqual(["r11"]), soon);
});

test("one that is denied is told, and the component is opened anew", async () => {
  const { input } = await serve(({ refuse }) => refuse("AccessDeniedException"));
  expect(await input.lost).toMatchObject({
    ...{ reason: "permission_denied", systemCode: "AccessDeniedException" },
    message: expect.stringContaining("SubscribeToShard"),
  });
});

test("without room nothing more is read: it waits at Kinesis", limit, async () => {
  const room = Promise.withResolvers<void>();
  const large = "x".repeat(256 * 1024);
  const { service, input } = await serve(
    ({ push }) => {
      for (let n = 0; n < 32; n++) push(event(11 + n, record(11 + n, large)));
    },
    {},
    { room: () => room.promise },
  );
  await input.next();
  const { stream } = service.subscriptions[0] ?? {};
  // What was sent before a ping has arrived when that is answered.
  for (let n = 0; n < 10; n++)
    await new Promise((resolve) => stream?.session?.ping((...answer) => resolve(answer)));
  expect(stream?.session?.socket.bytesWritten).toBeLessThan(2 * 1024 * 1024);
  expect(input.events).toHaveLength(1);
  room.resolve();
  await vi.waitFor(() => expect(input.events).toHaveLength(32), soon);
  expect(service.subscriptions).toHaveLength(1);
});

test("a shard that was split ends once all of it is handled", async () => {
  const { service, input } = await serve(({ push }) => {
    push({
      ...{ Records: [record(11)], MillisBehindLatest: 0 },
      ChildShards: [{ ShardId: "shardId-000000000001", ParentShards: [shard] }],
    });
  });
  const one = await input.next();
  expect(JSON.stringify(service.of("UpdateItem"))).not.toContain("SHARD_END");
  handle(one);
  const written = (): string => JSON.stringify(service.of("UpdateItem"));
  await vi.waitFor(() => expect(written()).toContain("SHARD_END"), soon);
});

test("over TLS, with the authorities of caCert", async () => {
  const certificates = makeCertificates();
  onTestFinished(() => certificates.remove());
  const { ca, server } = certificates;
  const service = await subscribingService(script, ({ push }) => push(event(11, record(11))));
  const protocols: unknown[] = [];
  const front = createServer(
    { cert: server.cert, key: server.key, ALPNProtocols: ["h2", "http/1.1"] },
    (socket) => {
      protocols.push(socket.alpnProtocol);
      const onward = connect(Number(new URL(service.url).port), "127.0.0.1");
      onward.on("error", () => socket.destroy()).on("close", () => socket.destroy());
      socket.on("error", () => undefined).on("close", () => onward.destroy());
      socket.pipe(onward).pipe(socket);
    },
  );
  const port = await listen(front);
  onTestFinished(() => void front.close());
  const login = emulatorLogin(`https://127.0.0.1:${port}`);
  const input = await openInput(kinesis, { ...login, ...properties, caCert: ca });
  expect(textOf(await input.next())).toBe("r11");
  expect(protocols).toContain("h2");
});

test("at a stop the subscription ends, and the lease is given back", async () => {
  const { service, input } = await serve(({ push }) => push(event(11, record(11))));
  handle(await input.next());
  await input.close();
  await vi.waitFor(() => expect(service.subscriptions[0]?.stream.destroyed).toBe(true), soon);
  const written = service.of("UpdateItem").map(({ input }) => JSON.stringify(input));
  expect(written.filter((one) => one.includes('"11"'))).not.toEqual([]);
  expect(written.at(-1)).toContain("REMOVE AssignedTo");
});

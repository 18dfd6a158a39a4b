// One test for each cell of the table in docs/positions.md.
import { existsSync, globSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectAmqp, type Channel, type Options } from "amqplib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import cron from "../../src/bindings/cron/index.ts";
import file from "../../src/bindings/file/index.ts";
import rabbitmq from "../../src/bindings/rabbitmq/index.ts";
import webhook from "../../src/bindings/webhook/index.ts";
import type { Outcome } from "../../src/runtime/app.ts";
import { FakeApp, handled } from "../runtime/fake-app.ts";
import { component, startRuntime } from "../runtime/fake-binding.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { endAfterTest, read } from "./contract.ts";
import {
  expectAfterGap,
  expectGrows,
  expectMadeAnew,
  expectShrinks,
  expectWithoutPosition,
} from "./http-positions.ts";

const inputs = [
  "rabbitmq",
  "mqtt3",
  "mqtt5",
  "amqp",
  "azure.servicebus.queues",
  "azure.eventhubs",
  "nats",
  "redis.streams",
  "aws.kinesis",
  "aws.s3",
  "aws.sqs",
  "file",
  "sftp",
  "cron",
  "webhook",
  "alicloud.dingtalk.webhook",
  "alicloud.sls",
  "imap",
  "http",
  "sse",
  "websocket",
  "postgres",
  "gcp.pubsub",
  "rocketmq",
  "gcp.bucket",
  "azure.storagequeues",
  "azure.blobstorage",
  "azure.eventgrid",
  "zeebe.jobworker",
  "kubemq",
  "kubernetes",
] as const;
const cases = ["Without a position", "After a gap", "Grows", "Shrinks", "Made anew"] as const;

const soon = { timeout: 20_000, interval: 5 };

test("each cell of the page has its test", async () => {
  const page = await readFile(join(import.meta.dirname, "../../docs/positions.md"), "utf8");
  // Some bindings have theirs in a file of their own.
  const files = globSync("**/positions*.test.ts", { cwd: import.meta.dirname });
  const texts = files.map((name) => readFile(join(import.meta.dirname, name), "utf8"));
  const tests = (await Promise.all(texts)).join("\n");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  const cellsOf = (row: string) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  expect(cellsOf(rows[0] ?? "")).toEqual(["Input", ...cases]);
  for (const input of inputs) {
    const row = rows.map(cellsOf).find(([name]) => name?.includes(`\`${input}\``));
    expect(row?.slice(1).every((cell) => cell !== "")).toBe(true);
    expect(row).toHaveLength(1 + cases.length);
    for (const name of cases) expect(tests).toContain(`test("${input}: ${name}"`);
  }
});

describeWith("rabbitmq", (server) => {
  async function place(options?: Options.AssertQueue) {
    const queue = uniqueName("position");
    const model = await connectAmqp(server.url);
    const channel: Channel = await model.createChannel();
    if (options !== undefined) await channel.assertQueue(queue, options);
    endAfterTest(async () => {
      await channel.deleteQueue(queue);
      await model.close();
    });
    const send = (...texts: string[]): void => {
      for (const text of texts) channel.sendToQueue(queue, Buffer.from(text));
    };
    const begin = (answer?: (text: string) => Outcome | Promise<Outcome>, more = {}) =>
      read(
        { binding: rabbitmq },
        { properties: { host: server.url, queueName: queue, ...more } },
        answer,
      );
    return { queue, channel, send, begin };
  }

  test("rabbitmq: Without a position", async () => {
    const { send, begin } = await place({ durable: false });
    send("1", "2");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("rabbitmq: After a gap", async () => {
    const { queue, channel, send, begin } = await place({ durable: false, maxLength: 2 });
    send("1", "2", "3", "4");
    channel.sendToQueue(queue, Buffer.from("expires"), { expiration: "1" });
    // One that has expired is dropped when it is the queue's first, which may be only once it is read.
    await vi.waitFor(async () => {
      const { messageCount } = await channel.checkQueue(queue);
      expect([1, 2]).toContain(messageCount);
    }, soon);
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["4"]), soon);
  });

  test("rabbitmq: Grows", async () => {
    const { queue, channel, send, begin } = await place({ durable: false });
    const { app } = await begin();
    await vi.waitFor(
      async () => expect((await channel.checkQueue(queue)).consumerCount).toBe(1),
      soon,
    );
    const texts = Array.from({ length: 500 }, (_, n) => String(n));
    send(...texts);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(texts.toSorted()), soon);
  });

  test("rabbitmq: Shrinks", async () => {
    const { queue, channel, send, begin } = await place({ durable: false });
    const answer = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(() => answer.promise, { prefetchCount: "1" });
    send("1", "2", "3");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await vi.waitFor(
      async () => expect((await channel.checkQueue(queue)).messageCount).toBe(2),
      soon,
    );
    await channel.purgeQueue(queue);
    send("4");
    answer.resolve(handled);
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "4"]), soon);
    expect(status().state).toBe("running");
  });

  test("rabbitmq: Made anew", async () => {
    const { queue, channel, send, begin } = await place({ durable: false });
    const { app, status, lines } = await begin();
    send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await channel.deleteQueue(queue);
    await vi.waitFor(() => expect(JSON.stringify(lines)).toContain("was deleted"), soon);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    // Somebody makes another one of that name: it is used as it is, from its oldest.
    await channel.deleteQueue(queue);
    const quorum = { durable: true, arguments: { "x-queue-type": "quorum" } };
    await vi.waitFor(async () => {
      const other = await connectAmqp(server.url);
      try {
        const own = await other.createChannel();
        own.on("error", () => {});
        await own.deleteQueue(queue);
        await own.assertQueue(queue, quorum);
        own.sendToQueue(queue, Buffer.from("2"));
        await own.checkQueue(queue);
      } finally {
        await other.close();
      }
    }, soon);
    await vi.waitFor(() => expect(app.texts).toContain("2"), soon);
    expect(app.texts).toEqual(["1", "2"]);
  });
});

describe("file", () => {
  async function place() {
    const parent = await mkdtemp(join(tmpdir(), "cufflink-position-"));
    endAfterTest(() => rm(parent, { recursive: true, force: true }));
    const folder = join(parent, "in");
    await mkdir(folder);
    const put = async (path: string, text: string): Promise<void> => {
      await writeFile(join(folder, `${path}.part`), text);
      await rename(join(folder, `${path}.part`), join(folder, path));
    };
    const properties = { folder, quietTime: "20ms", scanInterval: "100ms", recursive: "true" };
    const begin = (answer?: (text: string) => Outcome | Promise<Outcome>) =>
      read(
        { binding: file },
        { properties: { ...properties, processedFolder: join(parent, "done") } },
        answer,
      );
    return { parent, folder, put, begin };
  }

  test("file: Without a position", async () => {
    const { folder, put, begin } = await place();
    await put("2", "two");
    await put("1", "one");
    await utimes(join(folder, "1"), 1_700_000_000, 1_700_000_000);
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "two"]), soon);
  });

  test("file: After a gap", async () => {
    const { folder, put, begin } = await place();
    await put("1", "one");
    await put("2", "two");
    await rm(join(folder, "1"));
    const { app } = await begin();
    await put("3", "three");
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["three", "two"]), soon);
  });

  test("file: Grows", async () => {
    const { folder, put, begin } = await place();
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await mkdir(join(folder, "new", "deep"), { recursive: true });
    await put("new/deep/1", "one");
    await vi.waitFor(() => expect(app.texts).toEqual(["one"]), soon);
  });

  test("file: Shrinks", async () => {
    const { folder, put, begin } = await place();
    const answer = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(() => answer.promise);
    await put("1", "one");
    await vi.waitFor(() => expect(app.texts).toEqual(["one"]), soon);
    await rm(join(folder, "1"));
    answer.resolve(handled);
    await vi.waitFor(() => expect(status()).toMatchObject({ handled: 1, inFlight: 0 }), soon);
    await put("2", "two");
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "two"]), soon);
    expect(status().state).toBe("running");
  });

  test("file: Made anew", async () => {
    const { parent, folder, put, begin } = await place();
    const { app, status } = await begin();
    await put("1", "one");
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    // While it is put away, the folder for it may be made.
    await vi.waitFor(() => expect(existsSync(join(folder, "1"))).toBe(false), soon);
    await rename(folder, join(parent, "old"));
    await vi.waitFor(() => expect(status().state).toBe("reconnecting"), soon);
    expect(status().reason).toContain("it does not exist");
    await mkdir(folder);
    await put("1", "one again");
    await vi.waitFor(() => expect(app.texts).toEqual(["one", "one again"]), soon);
    expect(status().state).toBe("running");
  });
});

describe("cron", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.parse("2026-11-23T10:00:30Z") });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const minute = 60_000;
  const begin = async (schedule: string) => {
    const app = new FakeApp();
    const started = startRuntime({ bindings: [cron], app });
    const definition = (text: string) =>
      component(
        "cron",
        {},
        { resolve: async () => ({ values: { schedule: text, direction: "input" }, secrets: [] }) },
      );
    const applied = started.runtime.apply([definition(schedule)]);
    await vi.advanceTimersByTimeAsync(10);
    await applied;
    return { ...started, app, definition };
  };
  const times = (app: FakeApp): string[] =>
    app.deliveries.map(({ metadata }) => (metadata["readTimeUTC"] ?? "").slice(11, 16));

  test("cron: Without a position", async () => {
    const { app } = await begin("TZ=UTC 0 * * * * *");
    expect(times(app)).toEqual([]);
    await vi.advanceTimersByTimeAsync(minute);
    expect(times(app)).toEqual(["10:01"]);
  });

  test("cron: After a gap", async () => {
    const { app } = await begin("TZ=UTC 0 * * * * *");
    // The machine slept: its clock is ten minutes ahead.
    vi.setSystemTime(Date.parse("2026-11-23T10:10:30Z"));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(app.deliveries).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(minute);
    expect(app.deliveries).toHaveLength(2);
  });

  test("cron: Grows", async () => {
    const { app, runtime, definition } = await begin("TZ=UTC 0 * * * * *");
    const applied = runtime.apply([definition("TZ=UTC 0,20,40 * * * * *")]);
    await vi.advanceTimersByTimeAsync(100);
    await applied;
    // The times of the new schedule that have passed are not made up for.
    expect(app.deliveries).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(app.deliveries).toHaveLength(2);
  });

  test("cron: Shrinks", async () => {
    const { app } = await begin("TZ=UTC 0 * * * * *");
    await vi.advanceTimersByTimeAsync(minute);
    expect(app.deliveries).toHaveLength(1);
    // Set back by less than a minute, the tick of 10:01 is not repeated.
    vi.setSystemTime(Date.parse("2026-11-23T10:00:45Z"));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(app.deliveries).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(minute);
    expect(app.deliveries).toHaveLength(2);
  });

  test("cron: Made anew", async () => {
    const { app, runtime, definition } = await begin("TZ=UTC 0 * * * * *");
    await vi.advanceTimersByTimeAsync(minute);
    const apply = async (...specs: ReturnType<typeof definition>[]): Promise<void> => {
      const applied = runtime.apply(specs);
      await vi.advanceTimersByTimeAsync(100);
      await applied;
    };
    await apply();
    await vi.advanceTimersByTimeAsync(5 * minute);
    await apply(definition("TZ=UTC 0 * * * * *"));
    expect(times(app)).toEqual(["10:01"]);
    await vi.advanceTimersByTimeAsync(minute);
    expect(times(app)).toEqual(["10:01", "10:07"]);
  });
});

describe("webhook", () => {
  const input = { binding: webhook };
  test("webhook: Without a position", () => expectWithoutPosition(input));
  test("webhook: After a gap", () => expectAfterGap(input));
  test("webhook: Grows", () => expectGrows(input));
  test("webhook: Shrinks", () => expectShrinks(input));
  test("webhook: Made anew", () => expectMadeAnew(input));
});

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon } from "./daemon.ts";
import { kafkaProducer } from "./producers.ts";

const keys = Array.from({ length: 10 }, (_, number) => `k${number}`);
const perKey = 40;

/** Starts the app and resolves once it runs. */
async function startStreamApp(...args: string[]): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "stream-app.ts");
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the app ended with ${code ?? "a signal"}`)));
  });
  return child;
}

/** What the apps have written, in the order of writing. */
async function recorded(file: string) {
  const content = await readFile(file, "utf8").catch(() => "");
  return content
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [verdict = "", key = "", number = "", attempt = "", app = ""] = line.split(" ");
      return { verdict, key, number: Number(number), attempt: Number(attempt), app };
    });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const exited = new Promise<number | null>((resolve) => void child.once("exit", resolve));
  child.kill(signal);
  return exited;
}

describeWith("kafka", (kafka) => {
  /** A daemon with a keyed topic, what the apps recorded, and a producer of every key's events in turn. */
  async function prepare(flags: readonly string[] = []) {
    const topic = uniqueName("stream");
    await kafka.createTopic(topic, 3);
    const folder = await mkdtemp(join(tmpdir(), "cufflink-stream-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "record");
    const metadata = {
      ...{ brokers: kafka.brokers, topics: topic, consumerGroup: topic, authType: "none" },
      ...{ initialOffset: "oldest", direction: "input" },
      // Quick, for one event in seven waits for it.
      ...{ backOffInitialInterval: "10ms", backOffMaxInterval: "50ms", backOffMaxRetries: "-1" },
    };
    const daemon = await startDaemon({
      components: [{ name: "orders", type: "bindings.kafka", metadata }],
      flags,
    });
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    const producer = await kafkaProducer(kafka.brokers, topic);
    onTestFinished(() => producer[Symbol.asyncDispose]());
    const produce = async (from: number, to: number): Promise<void> => {
      for (let number = from; number < to; number++) {
        await Promise.all(keys.map((key) => producer.send(key, `${key} ${number}`)));
      }
    };
    const accepted = async (): Promise<Set<string>> => {
      const lines = (await recorded(file)).filter(({ verdict }) => verdict === "accepted");
      return new Set(lines.map(({ key, number }) => `${key} ${number}`));
    };
    const untilAccepted = (count: number): Promise<void> =>
      until(async () => (await accepted()).size >= count, {
        what: () => `${count} events to be accepted:\n${daemon.output().slice(-3000)}`,
        within: 60_000,
      });
    return { daemon, file, produce, untilAccepted };
  }

  /** Nothing lost, nothing out of order, each failed one again. Without a crash nothing is handled twice either. */
  async function expectInOrder(file: string, { repeats }: { repeats: boolean }): Promise<void> {
    const lines = await recorded(file);
    const failed = lines.filter(({ verdict }) => verdict === "failed");
    expect(failed.length).toBeGreaterThan(0);
    for (const key of keys) {
      const ofKey = lines.filter((line) => line.key === key);
      const accepted = ofKey.filter(({ verdict }) => verdict === "accepted");
      const inOrder = Array.from({ length: perKey }, (_, number) => number);
      const numbers = accepted.map(({ number }) => number);
      expect(repeats ? [...new Set(numbers)] : numbers, `the order of ${key}`).toEqual(inOrder);
      // No event of the key is looked at before all earlier ones are accepted.
      let next = 0;
      for (const { verdict, number } of ofKey) {
        expect(number, `what comes after ${key} ${next - 1}`).toBeLessThanOrEqual(next);
        if (verdict === "accepted" && number === next) next++;
      }
    }
    for (const { key, number, attempt } of repeats ? [] : failed) {
      const again = lines.find(
        (line) => line.key === key && line.number === number && line.attempt === attempt + 1,
      );
      expect(again, `${key} ${number} after its attempt ${attempt}`).toBeDefined();
    }
  }

  test(
    "an app that dials in and fails every seventh event gets each key in order",
    { timeout: 90_000 },
    async () => {
      const { daemon, file, produce, untilAccepted } = await prepare();
      const app = await startStreamApp("dial", String(daemon.grpcPort), file, "orders");
      await produce(0, perKey);
      await untilAccepted(keys.length * perKey);
      expect(await end(app, "SIGTERM")).toBe(0);
      await expectInOrder(file, { repeats: false });
    },
  );

  test(
    "an app that the runtime dials and that fails every seventh event gets each key in order",
    { timeout: 90_000 },
    async () => {
      const port = await reservePort();
      const flags = ["--app-port", String(port), "--app-protocol", "grpc"];
      const { file, produce, untilAccepted } = await prepare(flags);
      const app = await startStreamApp("serve", String(port), file, "orders");
      await produce(0, perKey);
      await untilAccepted(keys.length * perKey);
      expect(await end(app, "SIGTERM")).toBe(0);
      await expectInOrder(file, { repeats: false });
    },
  );

  test(
    "two streams share the events, and each key stays in order",
    { timeout: 90_000 },
    async () => {
      const { daemon, file, produce, untilAccepted } = await prepare();
      const apps = await Promise.all(
        ["a", "b"].map((name) =>
          startStreamApp("dial", String(daemon.grpcPort), file, "orders", name),
        ),
      );
      await produce(0, perKey);
      await untilAccepted(keys.length * perKey);
      for (const app of apps) expect(await end(app, "SIGTERM")).toBe(0);
      await expectInOrder(file, { repeats: false });
      expect(new Set((await recorded(file)).map(({ app }) => app))).toEqual(new Set(["a", "b"]));
    },
  );

  test(
    "apps that are replaced under load, gracefully, cost no repetition and no attempt",
    { timeout: 90_000 },
    async () => {
      const { daemon, file, produce, untilAccepted } = await prepare();
      const start = (name: string) =>
        startStreamApp("dial", String(daemon.grpcPort), file, "orders", name);
      let app = await start("0");
      const producing = produce(0, perKey);
      for (let replaced = 1; replaced <= 3; replaced++) {
        await untilAccepted((replaced * keys.length * perKey) / 5);
        const next = await start(String(replaced));
        expect(await end(app, "SIGTERM")).toBe(0);
        app = next;
      }
      await producing;
      await untilAccepted(keys.length * perKey);
      expect(await end(app, "SIGTERM")).toBe(0);
      await expectInOrder(file, { repeats: false });
      const lines = await recorded(file);
      for (const { verdict, key, number, attempt } of lines) {
        if (verdict !== "accepted") continue;
        const failures = lines.filter(
          (line) => line.verdict === "failed" && line.key === key && line.number === number,
        );
        expect(attempt, `the attempt of ${key} ${number}`).toBe(failures.length + 1);
      }
    },
  );

  test(
    "an app killed in the middle costs repetitions, and neither an event nor the order",
    { timeout: 90_000 },
    async () => {
      const { daemon, file, produce, untilAccepted } = await prepare();
      const first = await startStreamApp("dial", String(daemon.grpcPort), file, "orders");
      const producing = produce(0, perKey);
      await untilAccepted((keys.length * perKey) / 4);
      await end(first, "SIGKILL");
      const second = await startStreamApp("dial", String(daemon.grpcPort), file, "orders");
      await untilAccepted((keys.length * perKey) / 2);
      await end(second, "SIGTERM");
      await startStreamApp("dial", String(daemon.grpcPort), file, "orders");
      await producing;
      await untilAccepted(keys.length * perKey);
      await expectInOrder(file, { repeats: true });
    },
  );
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon } from "./daemon.ts";
import { kafkaProducer } from "./producers.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-rejection-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeWith("kafka", (kafka) => {
  test(
    "an event refused ten times is accepted then, in order, and other keys do not wait for it",
    { timeout: 60_000 },
    async () => {
      const topic = uniqueName("rejection");
      await kafka.createTopic(topic, 1);
      const port = await reservePort();
      const file = join(folder, "app");
      const app = await startApp({ port, file, bindings: ["orders"], behaviour: "refuse:a0:10" });
      await using daemon = await startDaemon({
        components: [
          {
            name: "orders",
            type: "bindings.kafka",
            metadata: {
              ...{ brokers: kafka.brokers, topics: topic, consumerGroup: topic, authType: "none" },
              ...{ initialOffset: "oldest", direction: "input" },
              ...{
                backOffInitialInterval: "100ms",
                backOffMaxInterval: "300ms",
                backOffMaxRetries: "-1",
              },
            },
          },
        ],
        flags: ["--app-port", String(port), "--app-protocol", "grpc"],
      });
      await using producer = await kafkaProducer(kafka.brokers, topic);
      for (const number of Array.from({ length: 20 }).keys()) {
        await producer.send("a", `a${number}`);
        await producer.send("b", `b${number}`);
      }
      await until(
        async () =>
          (await recorded(file)).some(
            ({ verdict, text }) => verdict === "accepted" && text === "a19",
          ),
        {
          what: () =>
            `the last event of the refused key; the daemon said:\n${daemon.output().slice(-3000)}`,
          within: 40_000,
        },
      ).finally(() => app.kill());
      const all = await recorded(file);
      expect(
        all
          .filter(({ verdict, text }) => verdict === "refused" && text === "a0")
          .map(({ attempt }) => attempt),
      ).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
      const accepted = all.filter(({ verdict }) => verdict === "accepted").map(({ text }) => text);
      const ofKey = (key: string): string[] => accepted.filter((text) => text.startsWith(key));
      expect(ofKey("a")).toEqual(Array.from({ length: 20 }, (_, number) => `a${number}`));
      expect(ofKey("b")).toEqual(Array.from({ length: 20 }, (_, number) => `b${number}`));
      expect(accepted.indexOf("b19")).toBeLessThan(accepted.indexOf("a0"));
    },
  );
});

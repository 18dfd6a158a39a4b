import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { numbers, Topics } from "../bindings/kafka/topics.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon, type ComponentYaml, type Daemon } from "./daemon.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-partitions-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeWith("kafka", (kafka) => {
  const topics = new Topics(kafka);

  test(
    "partitions added while the runtime was away are read whole, and a topic that is not there is named",
    { timeout: 90_000 },
    async () => {
      const topic = await topics.make(1);
      const typo = uniqueName("typo");
      const componentOf = (name: string, topicName: string): ComponentYaml => ({
        ...{ name, type: "bindings.kafka" },
        metadata: {
          ...{ brokers: kafka.brokers, topics: topicName, consumerGroup: topic },
          ...{ authType: "none", direction: "input" },
        },
      });
      const port = await reservePort();
      const file = join(folder, "events");
      const app = await startApp({ port, file, bindings: ["orders", "typo"] });
      const texts = async (): Promise<string[]> =>
        (await recorded(file)).map(({ text }) => text).sort();
      const start = async (components: ComponentYaml[]): Promise<Daemon> => {
        const daemon = await startDaemon({
          components,
          flags: ["--app-port", String(port), "--app-protocol", "grpc"],
        });
        await until(async () => (await daemon.state("orders")) === "running", {
          what: () => `orders to run:\n${daemon.output()}`,
          within: 30_000,
        });
        return daemon;
      };
      try {
        {
          await using daemon = await start([componentOf("orders", topic)]);
          await topics.writeTo(topic, [0], 5);
          await until(async () => (await texts()).length === 5, { what: "the first events" });
          expect(await daemon.end()).toBe(0);
        }
        await topics.grow(topic, 3);
        await topics.writeTo(topic, [1, 2], 5);
        await using daemon = await start([componentOf("orders", topic), componentOf("typo", typo)]);
        await until(async () => (await texts()).length >= 15, {
          what: () => `the events of the new partitions:\n${daemon.output()}`,
        });
        expect(await texts()).toEqual(
          [0, 1, 2].flatMap((partition) => numbers(5).map((each) => `${partition}:${each}`)),
        );
        await until(async () => (await daemon.state("typo")) === "stalled", {
          what: () => `typo to be stalled:\n${daemon.output()}`,
        });
        expect(daemon.output()).toMatch(new RegExp(`there is no such topic.*${typo}`));
        expect(await topics.names()).not.toContain(typo);
      } finally {
        await app.kill();
      }
    },
  );
});

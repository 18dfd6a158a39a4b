import { createServer, type Http2Server } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { type ComponentYaml, startDaemon } from "./daemon.ts";

let server: Http2Server | undefined;
afterEach(() => void server?.close());

/** An app that answers each event with a reply of other data to the output. */
async function startLoopingApp(input: string, output: string): Promise<number> {
  let events = 0;
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings: [input] }),
        onBindingEvent: () => ({ data: Buffer.from(`event ${++events}`), to: [output] }),
      });
    },
  });
  const listening = createServer(adapter);
  server = listening;
  const port = await reservePort();
  await new Promise<void>((resolve) => listening.listen(port, "127.0.0.1", resolve));
  return port;
}

/** Starts a loop by one invocation, and waits until it is named. */
async function loop(input: string, output: string, components: ComponentYaml[]): Promise<void> {
  const port = await startLoopingApp(input, output);
  const flags = ["--app-port", String(port), "--app-protocol", "grpc"];
  await using daemon = await startDaemon({ components, flags });
  const base = `http://127.0.0.1:${daemon.httpPort}/v1.0`;
  const reason = async (): Promise<string> => {
    const { components } = (await (await fetch(`${base}/metadata`)).json()) as {
      components: { name: string; state: string; reason?: string }[];
    };
    const found = components.find(({ name }) => name === input);
    return `${found?.state}: ${found?.reason ?? ""}`;
  };
  await until(async () => (await reason()).startsWith("running"), { what: () => daemon.output() });
  // A group may still be about to read.
  await until(
    async () => {
      const body = '{"operation":"create","data":"first"}';
      await fetch(`${base}/bindings/${output}`, { method: "POST", body });
      return (await reason()).includes("a loop of");
    },
    { what: () => daemon.output(), within: 30_000, every: 1_000 },
  );
  const what = `replies to events of ${input} go to ${output} and come back as events of ${input}`;
  expect(await reason()).toMatch(new RegExp(`^running: a loop of [\\d.]+ events/s: ${what}$`));
  const named = daemon.output().match(/WARN .*a loop: .*/g) ?? [];
  expect(named).toHaveLength(1);
  expect(named[0]).toMatch(/rate="[\d.]+ events\/s"/);
}

describeWith("kafka", (kafka) => {
  test(
    "an output that feeds an input of another name is known by its headers",
    { timeout: 60_000 },
    async () => {
      const topic = uniqueName("loop");
      await kafka.createTopic(topic, 1);
      const connection = { brokers: kafka.brokers, authType: "none" };
      await loop("orders", "again", [
        {
          name: "orders",
          type: "bindings.kafka",
          metadata: {
            ...connection,
            topics: topic,
            consumerGroup: topic,
            initialOffset: "oldest",
            direction: "input",
          },
        },
        {
          name: "again",
          type: "bindings.kafka",
          metadata: { ...connection, publishTopic: topic, direction: "output" },
        },
      ]);
    },
  );
});

describeWith("mosquitto", (broker) => {
  test(
    "a component that feeds itself is known where messages have no headers",
    { timeout: 60_000 },
    async () => {
      const topic = uniqueName("loop");
      const url = `mqtt://${broker.host}:${broker.port}`;
      await loop("lamp", "lamp", [
        {
          name: "lamp",
          type: "bindings.mqtt3",
          metadata: { url, topic, consumerID: topic, qos: "1" },
        },
      ]);
    },
  );
});

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

/** Starts a loop by an invocation, and resolves to what is said of it, in the state and the log, once it is named. */
async function startLoop(
  input: string,
  output: string,
  components: ComponentYaml[],
): Promise<{ state: string; logged: string[] }> {
  const port = await startLoopingApp(input, output);
  const flags = ["--app-port", String(port), "--app-protocol", "grpc"];
  await using daemon = await startDaemon({ components, flags });
  const base = `http://127.0.0.1:${daemon.httpPort}/v1.0`;
  const stateOf = async (): Promise<string> => {
    const metadata = (await (await fetch(`${base}/metadata`)).json()) as {
      components: { name: string; state: string; reason?: string }[];
    };
    const found = metadata.components.find(({ name }) => name === input);
    return `${found?.state}: ${found?.reason ?? ""}`;
  };
  await until(async () => (await stateOf()).startsWith("running"), { what: () => daemon.output() });
  let state = "";
  // A consumer may still be about to read.
  await until(
    async () => {
      const body = '{"operation":"create","data":"first"}';
      await fetch(`${base}/bindings/${output}`, { method: "POST", body });
      state = await stateOf();
      return state.includes("a loop of");
    },
    { what: () => daemon.output(), within: 30_000, every: 1_000 },
  );
  return { state, logged: daemon.output().match(/WARN .*a loop: .*/g) ?? [] };
}

/** What is said of the loop: in the log once. */
function named(input: string, output: string) {
  const what = `replies to events of ${input} go to ${output} and come back as events of ${input}`;
  return {
    state: expect.stringMatching(
      new RegExp(`^running: a loop of [\\d.]+ events/s: ${what}$`),
    ) as string,
    logged: [expect.stringMatching(/rate="[\d.]+ events\/s"/)],
  };
}

describeWith("kafka", (kafka) => {
  test(
    "an output that feeds an input of another name is known by its headers",
    { timeout: 60_000 },
    async () => {
      const topic = uniqueName("loop");
      await kafka.createTopic(topic, 1);
      const connection = { brokers: kafka.brokers, authType: "none" };
      const reads = {
        topics: topic,
        consumerGroup: topic,
        initialOffset: "oldest",
        direction: "input",
      };
      const writes = { publishTopic: topic, direction: "output" };
      const loop = await startLoop("orders", "again", [
        { name: "orders", type: "bindings.kafka", metadata: { ...connection, ...reads } },
        { name: "again", type: "bindings.kafka", metadata: { ...connection, ...writes } },
      ]);
      expect(loop).toEqual(named("orders", "again"));
    },
  );
});

describeWith("mosquitto", (broker) => {
  test(
    "a component that feeds itself is known where messages have no headers",
    { timeout: 60_000 },
    async () => {
      const topic = uniqueName("loop");
      const metadata = {
        url: `mqtt://${broker.host}:${broker.port}`,
        topic,
        consumerID: topic,
        qos: "1",
      };
      const loop = await startLoop("lamp", "lamp", [
        { name: "lamp", type: "bindings.mqtt3", metadata },
      ]);
      expect(loop).toEqual(named("lamp", "lamp"));
    },
  );
});

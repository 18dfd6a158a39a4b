// How often a message is sent, and what is said of it, for each way in which it can fail.
import { createServer } from "node:net";
import type { Packet } from "mqtt-packet";
import { expect, onTestFinished, test } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { component, startRuntime } from "../../../runtime/fake-binding.ts";
import { errorOf, openQueue, until } from "../../opened-queue.ts";
import { identifierOf, scriptedServer, type ScriptedServer } from "./scripted-server.ts";

const output = { directions: { input: false, output: true } };
const open = ({ url }: ScriptedServer, properties: Record<string, string> = {}) =>
  openQueue(mqtt5, { url, topic: "orders", consumerID: "shop", ...properties }, output);

const refusing = (cmd: "puback" | "pubrec" | "pubcomp", reasonCode: number) => (packet: Packet) =>
  ({ cmd, messageId: identifierOf(packet), reasonCode }) as Packet;

test.each([
  [0x80, "internal", "Unspecified error", "rejected"],
  [0x83, "internal", "Implementation specific error", "rejected"],
  [0x87, "permission_denied", "Not authorized", "rejected"],
  [0x90, "invalid_argument", "Topic Name invalid", "rejected"],
  [0x97, "resource_exhausted", "Quota exceeded", "unsent"],
  [0x99, "invalid_argument", "Payload format invalid", "rejected"],
])("PUBACK and PUBREC %s are %s, by its name", async (code, reason, name, effect) => {
  for (const [qos, cmd] of [
    ["1", "puback"],
    ["2", "pubrec"],
  ] as const) {
    const server = await scriptedServer({ publish: refusing(cmd, code) });
    const error = await errorOf((await open(server, { qos })).create("x"));
    const systemCode = `0x${code.toString(16).toUpperCase()}`;
    expect(error).toMatchObject({ reason, effect, systemCode });
    expect(String(error)).toContain(
      `the server refuses the message to orders: ${name} (${systemCode})`,
    );
    expect(server.of("publish").length).toBe(1);
    expect(server.of("pubrel")).toEqual([]);
  }
});

test("QoS 2 out: taken, released, completed; a success without readers says so", async () => {
  const server = await scriptedServer({ publish: refusing("pubrec", 0x10) });
  const queue = await open(server, { qos: "2" });
  expect(await queue.answerOf("x")).toMatchObject({ metadata: { reasonCode: "0x10" } });
  const steps = server.packets.map(({ cmd }) => cmd).filter((cmd) => cmd.startsWith("pub"));
  expect(steps).toEqual(["publish", "pubrel"]);
});

test("a message that the server knows nothing of at its release may have been passed on", async () => {
  const server = await scriptedServer({ pubrel: refusing("pubcomp", 0x92) });
  const queue = await open(server, { qos: "2" });
  expect(await errorOf(queue.create("x"))).toMatchObject({ effect: "ambiguous" });
  // The identifier is free again.
  expect(await errorOf(queue.create("y"))).toMatchObject({ systemCode: "0x92" });
});

test("what is sent carries what the component and the request say", async () => {
  const server = await scriptedServer();
  const queue = await open(server, { contentType: "text/plain", messageExpiry: "1h", qos: "0" });
  await queue.create("one");
  await queue.create("two", { contentType: "text/x", messageExpiry: "1500ms", qos: "1" });
  await until(() => server.of("publish").length === 2);
  const [one, two] = server.of("publish");
  expect(one).toMatchObject({
    ...{ qos: 0, retain: false, topic: "orders" },
    properties: { contentType: "text/plain", messageExpiryInterval: 3600 },
  });
  expect(two).toMatchObject({
    qos: 1,
    properties: { contentType: "text/x", messageExpiryInterval: 2 },
  });
});

const invoke = async (properties: Record<string, string>) => {
  const { runtime, invoke } = startRuntime({ bindings: [mqtt5] });
  onTestFinished(() => runtime.close());
  const values = { topic: "orders", consumerID: "shop", direction: "output", ...properties };
  const resolve = async () => ({ values, secrets: [] });
  await runtime.apply([component("mqtt5", {}, { resolve })]);
  return { send: () => errorOf(invoke("orders", "create", "x")) };
};

// By the default policy: three attempts where nothing was sent.
test.each([
  ["refused", "puback", 0x87, 1],
  ["throttled", "puback", 0x97, 3],
  ["refused with QoS 2", "pubrec", 0x87, 1],
  ["throttled with QoS 2", "pubrec", 0x97, 3],
] as const)("a message that is %s (%s %s) is sent so many times: %s", async (...cell) => {
  const [, cmd, code, times] = cell;
  const server = await scriptedServer({ publish: refusing(cmd, code) });
  const { send } = await invoke({ url: server.url, qos: cmd === "puback" ? "1" : "2" });
  await send();
  expect(server.of("publish").length).toBe(times);
});

test.each(["1", "2"])("QoS %s, cut in the middle: ambiguous, sent once", async (qos) => {
  const server = await scriptedServer({ publish: () => "cut" });
  const { send } = await invoke({ url: server.url, qos });
  expect(await send()).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
  expect(server.of("publish").length).toBe(1);
});

test("cut after the server has taken it: ambiguous, sent once", async () => {
  const server = await scriptedServer({ pubrel: () => "cut" });
  const { send } = await invoke({ url: server.url, qos: "2" });
  expect(await send()).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
  expect(server.of("publish").length).toBe(1);
});

test("its answer swallowed: ambiguous at the deadline, sent once", async () => {
  const server = await scriptedServer({ publish: () => "nothing" });
  const queue = await open(server);
  const deadline = new AbortController();
  const failure = errorOf(queue.create("x", {}, deadline.signal));
  await until(() => server.of("publish").length > 0);
  deadline.abort(new DOMException("it passed", "TimeoutError"));
  expect(await failure).toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
  expect(server.of("publish").length).toBe(1);
});

test("a server that is unavailable: unsent, tried three times", async () => {
  let probes = 0;
  const server = await scriptedServer({
    connect: (packet) => {
      const isProbe = "clientId" in packet && packet.clientId.includes("-check-");
      if (isProbe) probes++;
      return { cmd: "connack", sessionPresent: false, reasonCode: isProbe ? 0 : 0x88 };
    },
  });
  const { send } = await invoke({ url: server.url });
  expect(await send()).toMatchObject({ reason: "unavailable", effect: "unsent" });
  expect(server.of("connect").length - probes).toBe(3);
  expect(server.of("publish")).toEqual([]);
});

test("a server that says nothing at all: unsent", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as { port: number };
  const opening = openQueue(
    mqtt5,
    { url: `mqtt://127.0.0.1:${port}`, topic: "orders", consumerID: "shop" },
    { ...output, signal: AbortSignal.timeout(100) },
  );
  expect(await errorOf(opening)).toMatchObject({ reason: "unavailable", effect: "unsent" });
});

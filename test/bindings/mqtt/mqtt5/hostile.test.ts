import { expect, test } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { errorOf, openQueue, until } from "../../opened-queue.ts";
import { scriptedServer } from "./scripted-server.ts";

const long = "x".repeat(65_536);

/** What each value of a request does with what does not belong into it. */
const refused: readonly (readonly [field: string, value: string, why: string])[] = [
  ...["topic", "contentType", "responseTopic", "header:a"].flatMap((field) =>
    ["a\r\nb", "a\nb", "a\0b", "a\u0085b", "a\uffffb", "a\ud800b"].map(
      (value) => [field, value, field] as const,
    ),
  ),
  ...["topic", "contentType", "responseTopic", "header:a", "correlationData"].map(
    (field) => [field, long, "longer than 65535 bytes"] as const,
  ),
  ["topic", "a/+", "wildcard"],
  ["topic", "a/#", "wildcard"],
  ["responseTopic", "a/+", "wildcard"],
  ["header:a\r\nb", "x", "control character"],
  [`header:${long}`, "x", "longer than 65535 bytes"],
];

/** What is sent as it is: it means nothing to MQTT. */
const harmless = ["'\"", "../../etc", "$SYS/x", "a b", "grün", "%00", "${x}", "; DROP"];

test("what MQTT cannot carry is refused, what means nothing to it goes as it is", async () => {
  const server = await scriptedServer();
  const queue = await openQueue(mqtt5, { url: server.url, topic: "orders", consumerID: "shop" });
  for (const [field, value, why] of refused) {
    const error = await errorOf(queue.create("x", { [field]: value }));
    expect(error, `${field}: ${value.slice(0, 20)}`).toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
    });
    expect(String(error)).toContain(why);
    expect(String(error).length).toBeLessThan(400);
  }
  expect(server.of("publish")).toEqual([]);
  for (const value of harmless) {
    await queue.create("x", {
      ...{ topic: value, contentType: value, responseTopic: value, correlationData: value },
      [`header:${value}`]: value,
    });
    expect(server.of("publish").at(-1)).toMatchObject({
      topic: value,
      properties: {
        ...{ contentType: value, responseTopic: value, correlationData: Buffer.from(value) },
        userProperties: { [value]: value },
      },
    });
  }
  // Correlation data are bytes: any.
  await queue.create("x", { correlationData: "a\r\n\0b" });
  expect(queue.losses).toEqual([]);
});

test.each([
  ["qos", "3", "must be from 0 to 2"],
  ["qos", "x", "is not an integer"],
  ["retain", "maybe", "must be true or false"],
  ["messageExpiry", "soon", "is not a duration"],
  ["messageExpiry", "-1s", "longer than zero"],
  ["payloadFormat", "xml", "must be one of"],
  ["correlationData.encoding", "hex", "must be one of"],
])("a request with %s %s is refused", async (field, value, why) => {
  const server = await scriptedServer();
  const queue = await openQueue(mqtt5, { url: server.url, topic: "orders", consumerID: "shop" });
  const error = await errorOf(queue.create("x", { [field]: value }));
  expect(error).toMatchObject({ reason: "invalid_argument" });
  expect(String(error)).toContain(why);
  expect(server.of("publish")).toEqual([]);
});

test("data that are not what is said of them, and a topic that nobody names, are refused", async () => {
  const server = await scriptedServer();
  const properties = { url: server.url, consumerID: "shop" };
  const output = { directions: { input: false, output: true } };
  const queue = await openQueue(mqtt5, properties, output);
  const why = async (data: Uint8Array, metadata: Record<string, string>) =>
    String(await errorOf(queue.create(data, metadata)));
  const bytes = Uint8Array.of(255);
  expect(await why(bytes, {})).toContain("name the topic");
  expect(await why(bytes, { topic: "a", payloadFormat: "utf8" })).toContain("no UTF-8");
  const base64 = { correlationData: "a*b", "correlationData.encoding": "base64" };
  expect(await why(bytes, { topic: "a", ...base64 })).toContain("no base64");
  expect(await why(Buffer.alloc(256 * 1024 * 1024), { topic: "a" })).toContain("at most 268435455");
});

test("what a server says in place of a text does not leave its place", async () => {
  const server = await scriptedServer();
  const queue = await openQueue(mqtt5, { url: server.url, topic: "orders", consumerID: "shop" });
  const reading = await queue.read();
  server.send({
    ...{ cmd: "publish", topic: "orders/a\r\nb", payload: "x", qos: 0, dup: false, retain: false },
    properties: {
      contentType: "a\r\nb",
      userProperties: { ["__proto__"]: "a", constructor: "\0" },
    },
  });
  await until(() => reading.events.length === 1);
  const [event] = reading.events;
  expect(event?.metadata).toMatchObject({ topic: "orders/a\r\nb", contentType: "a\r\nb" });
  expect(event?.headers.map(({ name }) => name)).toContain("constructor");
});

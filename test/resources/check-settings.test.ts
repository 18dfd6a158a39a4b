import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { lint } from "../../src/resources/lint.ts";
import { string } from "../../src/metadata/fields.ts";
import { brief, component, folder, load } from "./folder.ts";

/** The runtime knows it itself, beside the bindings. */
const direction = string({ description: "The direction." });
const input = { direction: "input" };

test.each([
  ["amqp", { url: "artemis:5672", address: "a" }, "url is not an AMQP server's"],
  ["amqp", { url: "amqp://a", address: "a", subscriptionName: "s" }, "needs containerId"],
  ["grpc", { address: "orders.internal" }, "address is not of the form"],
  ["http", { url: "example.com" }, "must begin with http://"],
  ["http", { url: "http://a", ...input, schedule: "@daily", interval: "1s" }, "not both"],
  ["imap", { host: "a", username: "u", password: "p", onHandled: "move" }, "needs moveTo"],
  ["imap", { host: "a", username: "u" }, "needs password"],
  ["mqtt5", { url: "broker:1883", topic: "a", consumerID: "c" }, "url is not a broker's"],
  ["mqtt5", { url: "mqtt://broker", consumerID: "c" }, "no topic to read"],
  ["mysql", { url: "mysql://u:s3cret@a/b" }, "illegal Data Source Name"],
  ["nats", { servers: "http://a", direction: "output" }, "no nats://HOST:PORT"],
  ["nats", { servers: "a", stream: "S", consumer: "a.b" }, 'consumer "a.b" is no name'],
  ["postgres", { connectionString: "host=a", ...input }, "publications is required"],
  ["rethinkdb.statechange", { database: "d", table: "t" }, "names no server"],
  ["sftp", { address: "sftp://a", username: "u", hostPublicKey: "b" }, "not host:port"],
  ["sftp", { address: "a", username: "u", password: "s3cret" }, "give hostPublicKey"],
  ["sse", { url: "http://a", "header:a b": "s3cret" }, "a b"],
  ["wasm", { url: "/app/x.wasm" }, "invalid URL"],
  ["websocket", { url: "https://a" }, "must begin with ws://"],
])("check finds what is wrong with %s %j", async (type, values, message) => {
  const found = await problemsOf(type, values);
  expect(found).toContainEqual(expect.stringMatching(/^a\.yaml:\d+:\d+ error: /));
  expect(found.join()).toContain(message);
  expect(found.join()).not.toContain("s3cret");
});

test("what is wrong is reported at the property that the message names, else at the type", async () => {
  const url = { address: "a", url: "artemis:5672" };
  expect((await problemsOf("amqp", url)).join()).toMatch(/^a\.yaml:9:29 error: .*url is not/);
  const nowhere = { database: "d", table: "t" };
  expect((await problemsOf("rethinkdb.statechange", nowhere)).join()).toMatch(/^a\.yaml:5:9 /);
});

test("settings of a direction that a component leaves out are not checked", async () => {
  expect(await problemsOf("postgres", { connectionString: "host=a" })).toEqual([]);
  const values = { url: "mqtt://broker", consumerID: "c", direction: "output" };
  expect(await problemsOf("mqtt5", values)).toEqual([]);
});

test("a file that is not here may be where the runtime is", async () => {
  const missing = "/nowhere/file.pem";
  const values = { url: "amqps://a", address: "a", caCert: missing };
  expect(await problemsOf("amqp", values)).toEqual([]);
  const sftp = { address: "a", username: "u", knownHostsFile: missing };
  expect(await problemsOf("sftp", sftp)).toEqual([]);
  const mysql = { url: "u@tcp(a)/d?tls=custom", pemPath: missing };
  expect(await problemsOf("mysql", mysql)).toEqual([]);
});

async function problemsOf(
  type: string,
  values: Readonly<Record<string, string>>,
): Promise<string[]> {
  const items = Object.entries(values).map(
    ([name, value]) => `- { name: ${JSON.stringify(name)}, value: ${JSON.stringify(value)} }`,
  );
  const path = folder({ "a.yaml": component("a", `bindings.${type}`, items.join("\n")) });
  const { components } = await load(path, { bindings });
  return brief(
    await lint(components, bindings, { frameworkFields: { direction }, isThorough: true }),
    path,
  );
}

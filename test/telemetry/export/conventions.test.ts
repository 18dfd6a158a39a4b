import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as conventions from "@opentelemetry/semantic-conventions/incubating";
import { expect, test } from "vitest";
import { bindings } from "../../../src/bindings/index.ts";
import { attribute, schemaUrl } from "../../../src/telemetry/export/conventions.ts";
import { serverOf, systemOf, systems } from "../../../src/telemetry/export/systems.ts";

const root = join(import.meta.dirname, "../../..");
const published = Object.entries(conventions).flatMap(([name, value]) =>
  name.startsWith("ATTR_") && typeof value === "string" ? [value] : [],
);
const known: ReadonlySet<string> = new Set(published);

test("every name is one of the conventions that the schema's URL names", () => {
  const file = join(root, "node_modules/@opentelemetry/semantic-conventions/package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  expect(schemaUrl).toBe(`https://opentelemetry.io/schemas/${version}`);
  for (const name of Object.values(attribute)) expect(known, name).toContain(name);
});

test("every binding has its system, whose fields and metadata the binding has", () => {
  expect(Object.keys(systems).toSorted()).toEqual(bindings.map(({ name }) => name).toSorted());
  for (const { name, metadata } of bindings) {
    const { target = [], namespace = [], group = [], server = [] } = systemOf(`bindings.${name}`);
    for (const field of [...target, ...namespace, ...group, ...server])
      expect(Object.keys(metadata), `${name}: ${field}`).toContain(field);
  }
});

test("systems that the conventions name have their names", () => {
  const names = new Set(
    Object.entries(conventions).flatMap(([name, value]) =>
      /^(MESSAGING|DB)_SYSTEM_NAME_VALUE_/.test(name) ? [String(value)] : [],
    ),
  );
  const own = new Set([
    ...["alicloud.sls", "alicloud.tablestore", "amqp", "aws.kinesis", "azure.storagequeues"],
    ...["cloudflare.queues", "kubemq", "mqtt", "nats", "redis", "rethinkdb"],
  ]);
  for (const { kind, name } of Object.values(systems)) {
    if (kind !== "messaging" && kind !== "db") continue;
    expect(names.has(name) || own.has(name), name).toBe(true);
  }
});

test("a type of somebody else's is a system of no kind, and a state store that of its binding", () => {
  expect(systemOf("bindings.acme")).toEqual({ kind: "other", name: "acme" });
  expect(systemOf("state.redis")).toMatchObject({ kind: "db", name: "redis" });
  expect(systemOf("Bindings.Kafka")).toMatchObject({ kind: "messaging", name: "kafka" });
  expect(systemOf("bindings.constructor")).toMatchObject({ kind: "other" });
});

test.each([
  ["http://user:secret@host:81/path?key=secret", { address: "host", port: 81 }],
  ["https://host/path", { address: "host", port: undefined }],
  ["one:9092,two:9092", { address: "one", port: 9092 }],
  [["one:9092", "two:9092"], { address: "one", port: 9092 }],
  ["[::1]:6379", { address: "[::1]", port: 6379 }],
  ["host", { address: "host", port: undefined }],
  ["user:secret@tcp(host:3306)/db", undefined],
  ["", undefined],
  [undefined, undefined],
])("of the address %s only host and port are told", (value, place) => {
  expect(serverOf({ url: value }, ["url"])).toEqual(place);
});

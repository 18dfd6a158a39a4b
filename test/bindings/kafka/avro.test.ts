import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import avro from "avsc";
import { expect, onTestFinished, test } from "vitest";
import { avroEncoder } from "../../../src/bindings/kafka/avro.ts";
import { kafkaFields } from "../../../src/bindings/kafka/fields.ts";
import { parseFields } from "../../../src/metadata/parse.ts";

const schema = {
  type: "record",
  name: "Order",
  namespace: "shop",
  fields: [
    { name: "id", type: "long" },
    { name: "note", type: ["null", "string"], default: null },
    {
      name: "lines",
      type: {
        type: "array",
        items: {
          type: "record",
          name: "Line",
          fields: [{ name: "price", type: ["int", "double"] }],
        },
      },
    },
    { name: "next", type: ["null", "Order"], default: null },
  ],
};

async function registry(
  answers: Record<string, { status: number; body: unknown }>,
): Promise<{ url: string; requests: { path: string; authorization: string | undefined }[] }> {
  const requests: { path: string; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? "", authorization: request.headers.authorization });
    const { status, body } = answers[request.url ?? ""] ?? {
      status: 404,
      body: { error_code: 40_401, message: "Subject not found." },
    };
    response
      .writeHead(status, { "content-type": "application/vnd.schemaregistry.v1+json" })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function encoder(properties: Record<string, string>): ReturnType<typeof avroEncoder> {
  return avroEncoder(parseFields(kafkaFields, { brokers: "x:1", ...properties }).values);
}

const latest = "/subjects/orders-value/versions/latest";
const good = {
  [latest]: {
    status: 200,
    body: { subject: "orders-value", id: 258, version: 3, schema: JSON.stringify(schema) },
  },
};
const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });

test("frames the value with the schema's id, from plain JSON", async () => {
  const { url, requests } = await registry(good);
  const encode = encoder({
    schemaRegistryURL: `${url}/`,
    schemaRegistryAPIKey: "me",
    schemaRegistryAPISecret: "secret",
  });
  const data = {
    id: 7,
    note: "hello",
    lines: [{ price: 1 }, { price: 2.5 }],
    next: { id: 8, lines: [] },
  };
  const bytes = await encode("orders", Buffer.from(JSON.stringify(data)));
  expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 1, 2]);
  const read = JSON.parse(type.toString(type.fromBuffer(bytes.subarray(5)))) as unknown;
  expect(read).toEqual({
    id: 7,
    note: { string: "hello" },
    lines: [{ price: { int: 1 } }, { price: { double: 2.5 } }],
    next: { "shop.Order": { id: 8, note: null, lines: [], next: null } },
  });
  await encode("orders", Buffer.from(JSON.stringify(data)));
  expect(requests).toEqual([
    { path: latest, authorization: `Basic ${Buffer.from("me:secret").toString("base64")}` },
  ]);
});

test("takes Avro's own JSON with useAvroJSON, and asks each time without caching", async () => {
  const { url, requests } = await registry(good);
  const encode = encoder({
    schemaRegistryURL: url,
    useAvroJSON: "true",
    schemaCachingEnabled: "false",
  });
  const data = Buffer.from(JSON.stringify({ id: 7, note: { string: "x" }, lines: [], next: null }));
  const bytes = await encode("orders", data);
  await encode("orders", data);
  expect(type.toString(type.fromBuffer(bytes.subarray(5)))).toContain('"note":{"string":"x"}');
  expect(requests).toHaveLength(2);
});

test.each([
  ["no registry is set", {}, "orders", "{}", "failed_precondition", /schemaRegistryURL is not set/],
  [
    "the subject is unknown",
    { url: true },
    "others",
    "{}",
    "not_found",
    /has no subject others-value/,
  ],
  [
    "the data does not fit",
    { url: true },
    "orders",
    '{"id":"seven"}',
    "invalid_argument",
    /does not fit the schema of orders-value/,
  ],
  ["the data is no JSON", { url: true }, "orders", "{", "invalid_argument", /does not fit/],
])("says so when %s", async (_, { url }: { url?: boolean }, topic, data, reason, message) => {
  const { url: address } = await registry(good);
  const encode = encoder(url ? { schemaRegistryURL: address } : {});
  await expect(encode(topic, Buffer.from(data))).rejects.toMatchObject({
    reason,
    message: expect.stringMatching(message),
  });
});

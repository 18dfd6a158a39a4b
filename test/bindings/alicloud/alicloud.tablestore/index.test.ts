import { expect, onTestFinished, test } from "vitest";
import tablestore from "../../../../src/bindings/alicloud/alicloud.tablestore/index.ts";
import { openOutput, textOf } from "../../opened-output.ts";
import { writeMessage } from "../../../servers/tablestore/protobuf.ts";
import { propertiesOf, startTable } from "./table.ts";

const keys = { primaryKeys: "customer,order" };
const key = { customer: "ada", order: 1 };

async function serve(properties: Record<string, string> = {}) {
  const server = await startTable();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(tablestore, { ...propertiesOf(server), ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  const ask = (operation: string, data: unknown, metadata: Record<string, string> = {}) =>
    output.invoke(operation, { ...keys, ...metadata }, { data: JSON.stringify(data) });
  const read = async (operation: string, data: unknown, metadata: Record<string, string> = {}) =>
    textOf(await ask(operation, data, metadata));
  return { server, output, ask, read };
}

test("a row is written, read, replaced and deleted, and each answer tells its times", async () => {
  const { server, ask, read } = await serve();
  const { metadata, data } = (await ask("create", { ...key, total: 12.5, paid: true })) ?? {};
  expect(data).toBeUndefined();
  expect(Object.keys(metadata ?? {})).toEqual(["start-time", "end-time", "duration"]);
  expect(server.rowsOf("orders")).toEqual([
    {
      customer: { kind: "STRING", value: "ada" },
      order: { kind: "INTEGER", value: 1n },
      total: { kind: "DOUBLE", value: 12.5 },
      paid: { kind: "BOOLEAN", value: true },
    },
  ]);
  expect(await read("get", key)).toBe(`{"customer":"ada","order":1,"paid":true,"total":12.5}`);
  await ask("create", { ...key, note: "ü" });
  expect(await read("get", key)).toBe(`{"customer":"ada","note":"ü","order":1}`);
  await ask("delete", key);
  expect(await read("get", key)).toBeUndefined();
  await ask("delete", key);
});

test("`columnToGet` says which columns come beside the primary key", async () => {
  const { ask, read } = await serve();
  await ask("create", { ...key, a: 1, b: 2, c: 3 });
  expect(await read("get", key, { columnToGet: "a,c" })).toBe(
    `{"a":1,"c":3,"customer":"ada","order":1}`,
  );
  expect(await read("list", [key], { columnToGet: "b" })).toBe(
    `[{"b":2,"customer":"ada","order":1}]`,
  );
});

test("list answers in the order it is asked in, `null` for what is not there", async () => {
  const { ask, read } = await serve();
  await ask("create", { customer: "ada", order: 2 });
  await ask("create", { customer: "ada", order: 1 });
  const asked = [1, 3, 2, 1].map((order) => ({ customer: "ada", order }));
  expect(await read("list", asked)).toBe(
    `[{"customer":"ada","order":1},null,{"customer":"ada","order":2},{"customer":"ada","order":1}]`,
  );
});

test("a row of a list that cannot be read is the call's failure", async () => {
  const { server, ask } = await serve();
  await ask("create", key);
  server.rowOutage = { key: "ada", code: "OTSServerBusy", message: "Later." };
  await expect(ask("list", [key])).rejects.toMatchObject({
    ...{ message: "OTSServerBusy Later.", systemCode: "OTSServerBusy" },
    ...{ reason: "unavailable", effect: "unsent" },
  });
});

test.each([
  ["9007199254740993", { kind: "INTEGER", value: 9_007_199_254_740_993n }],
  ["-9223372036854775807", { kind: "INTEGER", value: -9_223_372_036_854_775_807n }],
  ["9007199254740992", { kind: "DOUBLE", value: 2 ** 53 }],
  ["9223372036854775808", { kind: "DOUBLE", value: 2 ** 63 }, "9223372036854776000"],
  ["12.25", { kind: "DOUBLE", value: 12.25 }],
  ["-0", { kind: "DOUBLE", value: -0 }],
  ["1e21", { kind: "DOUBLE", value: 1e21 }, "1e+21"],
])("the number %s is written and read", async (text, value, shown?: string) => {
  const { server, output, read } = await serve();
  await output.invoke("create", keys, { data: `{"customer":"ada","order":1,"n":${text}}` });
  expect(server.rowsOf("orders")[0]?.["n"]).toEqual(value);
  const answered = await read("get", key, { columnToGet: "n" });
  expect(answered).toBe(`{"customer":"ada","n":${shown ?? text},"order":1}`);
});

test("a primary key's integer keeps its digits", async () => {
  const { output } = await serve();
  const data = `{"customer":"ada","order":9223372036854775807}`;
  await output.invoke("create", keys, { data });
  expect(textOf(await output.invoke("get", keys, { data }))).toBe(data);
});

test("binary values are answered as base64", async () => {
  const { server, read } = await serve();
  server.put(
    "orders",
    [
      ["customer", { kind: "STRING", value: "ada" }],
      ["order", { kind: "INTEGER", value: 1n }],
    ],
    [["bytes", { kind: "BLOB", value: Buffer.from([0, 255, 254]) }]],
  );
  expect(await read("get", key)).toBe(`{"bytes":"AP/+","customer":"ada","order":1}`);
});

test("what JSON has not is a failure", async () => {
  const { server, ask } = await serve();
  const row = [
    ["customer", { kind: "STRING", value: "ada" }],
    ["order", { kind: "INTEGER", value: 1n }],
  ] as const;
  server.put("orders", row, [["n", { kind: "DOUBLE", value: Number.NaN }]]);
  await expect(ask("get", key)).rejects.toMatchObject({
    ...{ reason: "failed_precondition", message: `the column "n" is NaN, which JSON has not` },
  });
});

test("a call may name another table", async () => {
  const { server, ask } = await serve();
  server.makeTable("stock", { customer: "STRING", order: "INTEGER" });
  await ask("create", key, { tableName: "stock" });
  expect(server.rowsOf("stock")).toHaveLength(1);
  expect(server.rowsOf("orders")).toHaveLength(0);
});

test.each([
  ["create", `x`, keys, "the data are no JSON"],
  ["create", `[]`, keys, "the data are no JSON object"],
  ["create", `null`, keys, "the data are no JSON object"],
  ["get", ``, keys, "the data are no JSON"],
  ["delete", `"text"`, keys, "the data are no JSON object"],
  ["list", `{}`, keys, "the data are no list of JSON objects"],
  ["list", `[1]`, keys, "the data are no list of JSON objects"],
  ["create", `{"customer":"a"}`, keys, `the primary key's column "order" is not in the data`],
  ["get", `{"customer":null,"order":1}`, keys, `the primary key's column "customer" is not in`],
  ["get", `{"customer":"a","order":1.5}`, keys, `column "order" must be a text, or an integer`],
  ["get", `{"customer":"a","order":9223372036854775808}`, keys, `"order" must be a text, or an`],
  ["get", `{"customer":true,"order":1}`, keys, `"customer" must be a text, or an integer`],
  ["create", `{"customer":"a","order":1,"x":null}`, keys, `column "x" must be a text, a number`],
  ["create", `{"customer":"a","order":1,"x":{}}`, keys, `column "x" must be a text, a number`],
  ["create", `{"customer":"a","order":1,"x":[]}`, keys, `column "x" must be a text, a number`],
  ["create", `{"customer":"a","order":1,"x":1e999}`, keys, `column "x" must be a text, a number`],
  ["get", `{"a":"a"}`, { primaryKeys: "a,a" }, "primaryKeys names a column twice"],
])("%s of %s is refused before anything is sent", async (operation, data, metadata, message) => {
  const { server, output } = await serve();
  await expect(output.invoke(operation, metadata, { data })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "unsent" },
    message: expect.stringContaining(message),
  });
  expect(server.requests).toBe(0);
});

test("without a table nothing is sent", async () => {
  const { server, ask } = await serve({ tableName: "" });
  await expect(ask("get", key)).rejects.toMatchObject({
    message: "tablestore: neither the call nor the component names a table",
  });
  expect(server.requests).toBe(0);
});

test.each([
  [403, "OTSNoPermissionAccess", "permission_denied", "rejected"],
  [403, "OTSNotEnoughCapacityUnit", "resource_exhausted", "unsent"],
  [403, "OTSConditionCheckFail", "failed_precondition", "rejected"],
  [404, "OTSTableNotReady", "unavailable", "unsent"],
  [409, "OTSRowOperationConflict", "aborted", "unsent"],
  [413, "OTSRequestBodyTooLarge", "resource_exhausted", "rejected"],
  [500, "OTSInternalServerError", "internal", "ambiguous"],
  [503, "OTSServerBusy", "unavailable", "unsent"],
  [503, "OTSPartitionUnavailable", "unavailable", "unsent"],
  [503, "OTSTimeout", "deadline_exceeded", "ambiguous"],
  [503, "OTSServerUnavailable", "unavailable", "ambiguous"],
])("%s %s by the service", async (status, code, reason, effect) => {
  const { server, ask } = await serve();
  server.outage = { status, body: writeMessage([1, code], [2, "Words of the vendor."]) };
  await expect(ask("create", key)).rejects.toMatchObject({
    ...{ reason, effect, systemCode: code },
    message: `${code} Words of the vendor. 0005f55a-stand-in`,
  });
});

test.each([
  [502, "unavailable", "OTSServerUnavailable <html> 0005f55a-stand-in"],
  [400, "invalid_argument", "OTSClientUnknownError <html> 0005f55a-stand-in"],
])("%s by a proxy", async (status, reason, message) => {
  const { server, ask } = await serve();
  server.outage = { status, body: Buffer.from("<html>") };
  await expect(ask("get", key)).rejects.toMatchObject({ reason, message });
});

test("a table that is not there, a wrong secret, another instance", async () => {
  const { ask } = await serve();
  await expect(ask("get", key, { tableName: "other" })).rejects.toMatchObject({
    ...{ reason: "not_found", systemCode: "OTSObjectNotExist", effect: "rejected" },
  });
  for (const wrong of [{ accessKey: "other" }, { accessKeyID: "other" }, { instanceName: "x" }]) {
    const { ask } = await serve(wrong);
    await expect(ask("get", key)).rejects.toMatchObject({
      ...{ reason: "permission_denied", systemCode: "OTSAuthFailed", effect: "rejected" },
    });
  }
});

test("a key that may do nothing but write opens, answers a ping, and writes", async () => {
  const { server, output, ask } = await serve();
  for (const action of ["GetRow", "BatchGetRow", "DeleteRow"]) server.denied.add(action);
  await output.ping();
  await ask("create", key);
  expect(server.actions).toEqual(["PutRow"]);
  await expect(ask("get", key)).rejects.toMatchObject({ reason: "permission_denied" });
});

test("a service that is away: unsent", async () => {
  const { server, ask } = await serve();
  await server[Symbol.asyncDispose]();
  await expect(ask("create", key)).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
  });
});

test("an answer that cannot be read is a failure", async () => {
  const { server, ask } = await serve();
  server.outage = { status: 200, body: writeMessage([2, "no row"]) };
  await expect(ask("get", key)).rejects.toMatchObject({
    ...{ reason: "internal", message: expect.stringContaining("the answer cannot be read") },
  });
});

test.each([
  [{ endpoint: "shop.ots.aliyuncs.com" }, "it must begin with http:// or https://"],
  [{ endpoint: "ftp://host" }, "unsupported protocol scheme"],
  [{ endpoint: "http://host/path" }, "endpoint must be SCHEME://HOST:PORT alone"],
  [{ instanceName: "a b" }, "instanceName must be printable"],
  [{ accessKeyID: "a\nb" }, "accessKeyID must be printable"],
])("the metadata %j are refused", async (properties, message) => {
  const shared = { endpoint: "http://127.0.0.1:1", accessKeyID: "a", accessKey: "b" };
  const all = { ...shared, instanceName: "shop", tableName: "orders" };
  const opening = openOutput(tablestore, { ...all, ...(properties as Record<string, string>) });
  await expect(opening).rejects.toMatchObject({
    ...{ reason: "invalid_argument", message: expect.stringContaining(message) },
  });
});

import { expect, test } from "vitest";
import dynamodb from "../../../../src/bindings/aws/aws.dynamodb/index.ts";
import { itemOf } from "../../../../src/bindings/aws/aws.dynamodb/item.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { openOutput } from "../../opened-output.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { scriptedService } from "../scripted-service.ts";
import { makeTable } from "./table.ts";

describeWith("moto", (server) => {
  test("create puts an item in place of the one with its key, and answers nothing", async () => {
    const table = await makeTable(server);
    await using output = await openOutput(dynamodb, table.properties);
    expect(await output.invoke("create", {}, { data: `{"id":"1","was":true}` })).toBeUndefined();
    const data = `{"id":"1","text":"grün 😀","count":42,"none":null,"yes":true,"list":[1,"a",{"b":[]}]}`;
    await output.invoke("create", {}, { data, encoding: "json" });
    expect(await table.items()).toEqual([
      {
        id: { S: "1" },
        text: { S: "grün 😀" },
        count: { N: "42" },
        none: { NULL: true },
        yes: { BOOL: true },
        list: { L: [{ N: "1" }, { S: "a" }, { M: { b: { L: [] } } }] },
      },
    ]);
  });

  test("an item without the table's key is refused in DynamoDB's own words", async () => {
    const table = await makeTable(server);
    await using output = await openOutput(dynamodb, table.properties);
    await expect(output.invoke("create", {}, { data: "{}" })).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "rejected",
      systemCode: "ValidationException",
      message: expect.stringContaining("operation error DynamoDB: PutItem, ") as string,
    });
  });

  test.each([
    ["text that is no JSON", "hello", "no JSON"],
    ["nothing", "", "no JSON"],
    ["a list", "[1]", "no JSON object"],
    ["null", "null", "no JSON object"],
    ["bytes that are no text", Uint8Array.of(0xff), "no JSON"],
    ["what is nested too deeply", `{"a":${"[".repeat(40)}${"]".repeat(40)}}`, "deeper than 32"],
    ["what is nested endlessly", "[".repeat(200_000), "no JSON"],
  ])("create refuses %s before anything is sent", async (_what, data, why) => {
    const table = await makeTable(server);
    await using output = await openOutput(dynamodb, table.properties);
    await expect(output.invoke("create", {}, { data })).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining(why) as string,
    });
    expect(await table.items()).toEqual([]);
  });

  test("a table that is not there is told when it is opened", async () => {
    const properties = { ...emulatorLogin(server.url), table: "nowhere" };
    await expect(openOutput(dynamodb, properties)).rejects.toMatchObject({ reason: "not_found" });
  });
});

test("numbers keep the digits that a double loses", () => {
  const text = `{"a":12345678901234567890123456789,"b":0.1,"c":-0,"d":1e3}`;
  expect(itemOf(Buffer.from(text))).toEqual({
    a: { N: "12345678901234567890123456789" },
    b: { N: "0.1" },
    c: { N: "-0" },
    d: { N: "1000" },
  });
});

test("a member named as JavaScript's own is a member as any other", () => {
  expect(Object.entries(itemOf(Buffer.from(`{"__proto__":"x"}`)))).toEqual([
    ["__proto__", { S: "x" }],
  ]);
});

test("who may only put items, puts them", async () => {
  const service = await scriptedService({
    DescribeTable: () => "AccessDeniedException",
    PutItem: () => ({}),
  });
  const properties = { ...emulatorLogin(service.url), table: "orders" };
  await using output = await openOutput(dynamodb, properties);
  await output.ping();
  await output.invoke("create", {}, { data: `{"id":"1"}` });
  expect(service.of("PutItem")[0]?.input).toEqual({
    TableName: "orders",
    Item: { id: { S: "1" } },
  });
});

test.each([
  ["ProvisionedThroughputExceededException", "resource_exhausted", "unsent"],
  ["ConditionalCheckFailedException", "failed_precondition", "rejected"],
  ["InternalServerError", "unavailable", "ambiguous"],
])("%s is %s, %s", async (code, reason, effect) => {
  const service = await scriptedService({ DescribeTable: () => ({}), PutItem: () => code });
  await using output = await openOutput(dynamodb, {
    ...emulatorLogin(service.url),
    table: "orders",
  });
  const failed = output.invoke("create", {}, { data: `{"id":"1"}` });
  await expect(failed).rejects.toMatchObject({ systemCode: code, reason, effect });
  expect(service.of("PutItem")).toHaveLength(1);
});

test.each(["a", "orders/../x", "or ders", "arn:aws:s3:::orders"])(
  "the table %j is refused",
  async (table) => {
    const properties = { ...emulatorLogin("http://127.0.0.1:9"), table };
    await expect(openOutput(dynamodb, properties)).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining("is no name of a table") as string,
    });
  },
);

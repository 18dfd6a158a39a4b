import { expect, test, vi } from "vitest";
import dubbo from "../../../src/bindings/dubbo/index.ts";
import { HessianReader } from "../../../src/bindings/dubbo/hessian-reader.ts";
import { openOutput } from "../opened-output.ts";
import { encode, startProvider, type Reply } from "./provider.ts";

const empty = { parameterTypes: [], arguments: [] };

async function invoke(reply: Reply, call: object = empty, metadata: Record<string, string> = {}) {
  const provider = await startProvider(() => reply);
  await using output = await openOutput(dubbo, provider.properties);
  const data = JSON.stringify(call);
  const answer = await output.invoke("invoke", { methodName: "find", ...metadata }, { data });
  return { provider, said: Buffer.from(answer?.data ?? []).toString() };
}

test("a generic call has the method, the types and the arguments of its JSON", async () => {
  const call = {
    parameterTypes: ["java.lang.String", "int", "java.util.Map"],
    arguments: ["grün 😀", -17, { a: [1, true, null, 1.5], long: "x".repeat(70_000) }],
  };
  const metadata = { version: "1.0.0", group: "shop" };
  const { provider, said } = await invoke({ value: "yes" }, call, metadata);
  expect(said).toBe('"yes"');
  expect(provider.requests).toEqual([
    {
      ...{ path: "shop.Users", version: "1.0.0", method: "$invoke" },
      types: "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;",
      arguments: ["find", call.parameterTypes, call.arguments],
      attachments: {
        ...{ path: "shop.Users", interface: "shop.Users", version: "1.0.0", group: "shop" },
        ...{ timeout: "3000", generic: "true" },
      },
    },
  ]);
});

test.each([
  ["a text", "grün 😀", '"grün 😀"'],
  ["a long text", "ü".repeat(70_000), JSON.stringify("ü".repeat(70_000))],
  ["numbers", [0, -1, 47, 2_000, -262_144, 2 ** 31 - 1, 1.5, -0.25], undefined],
  ["null", null, "null"],
  ["true", true, "true"],
  ["bytes", Buffer.from([0, 255]), '"AP8="'],
  ["a time", new Date(1_700_000_000_000), '"2023-11-14T22:13:20.000Z"'],
  ["a map", { a: { b: [] } }, '{"a":{"b":[]}}'],
])("the answer is JSON: %s", async (_name, value, expected) => {
  const { said } = await invoke({ value });
  expect(said).toBe(expected ?? JSON.stringify(value));
});

test("an object's fields are members, and a long keeps its digits", async () => {
  const value = {
    $class: "shop.User",
    $: { name: "Ada", number: { $class: "long", $: "9223372036854775807" } },
  };
  const { said } = await invoke({ value });
  expect(said).toBe('{"name":"Ada","number":9223372036854775807}');
});

test("get passes the arguments and the body of the response on as they are", async () => {
  const provider = await startProvider(() => ({ value: "hello" }));
  await using output = await openOutput(dubbo, provider.properties);
  const data = encode("Ljava/lang/String;", "raw");
  const answer = await output.invoke("get", { methodName: "sayHello" }, { data });
  expect(provider.requests).toMatchObject([
    { method: "sayHello", types: "Ljava/lang/String;", arguments: ["raw"] },
  ]);
  const reader = new HessianReader(answer?.data ?? new Uint8Array());
  expect([reader.read(), reader.read()]).toEqual([1, "hello"]);
});

test.each([
  ["get", '{"a":1}', "in Hessian 2"],
  ["get", Buffer.from("05Ljava", "latin1"), "in Hessian 2"],
  ["invoke", "[]", 'the data are JSON as {"parameterTypes"'],
  ["invoke", "no", "the data are no JSON"],
  ["invoke", '{"parameterTypes":["int"],"arguments":[]}', "1 parameterTypes and 0 arguments"],
  ["invoke", `{"parameterTypes":["long"],"arguments":[${"9".repeat(30)}]}`, "more than 64 bits"],
])("%s refuses what is no call: %s", async (operation, data, why) => {
  const provider = await startProvider();
  await using output = await openOutput(dubbo, provider.properties);
  await expect(output.invoke(operation, { methodName: "x" }, { data })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "rejected" },
    message: expect.stringContaining(why),
  });
  expect(provider.requests).toEqual([]);
});

test.each([
  [31, "SERVER_TIMEOUT", "deadline_exceeded", "ambiguous"],
  [40, "BAD_REQUEST", "invalid_argument", "rejected"],
  [60, "SERVICE_NOT_FOUND", "not_found", "rejected"],
  [80, "SERVER_ERROR", "internal", "ambiguous"],
  [100, "SERVER_THREADPOOL_EXHAUSTED_ERROR", "resource_exhausted", "unsent"],
])("a status is a failure: %s", async (status, systemCode, reason, effect) => {
  const text = "because\r\n\tat Main.java:1";
  await expect(invoke({ status, text })).rejects.toMatchObject({
    ...{ systemCode, reason, effect },
    message: `dubbo: shop.Users.find: ${systemCode}: because`,
  });
});

test("what a method throws is told with the class that a generic exception names", async () => {
  const exception = {
    $class: "org.apache.dubbo.rpc.service.GenericException",
    $: { exceptionClass: "shop.NoMoney", exceptionMessage: "0 left" },
  };
  await expect(invoke({ exception })).rejects.toMatchObject({
    ...{ systemCode: "shop.NoMoney", reason: "internal", effect: "rejected" },
    message: "dubbo: shop.Users.find: shop.NoMoney: 0 left",
  });
});

test("a provider that does not answer in time is not waited for", async () => {
  const provider = await startProvider(() => "nothing");
  await using output = await openOutput(dubbo, { ...provider.properties, timeout: "100ms" });
  const call = output.invoke("invoke", { methodName: "x" }, { data: JSON.stringify(empty) });
  await expect(call).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
});

test("a connection that was cut is made anew by the next call", async () => {
  const provider = await startProvider(() => ({ value: 1 }));
  await using output = await openOutput(dubbo, provider.properties);
  const call = () => output.invoke("invoke", { methodName: "x" }, { data: JSON.stringify(empty) });
  await call();
  provider.cut();
  const answer = await vi.waitFor(() => call(), { timeout: 5_000 });
  expect(String(answer?.data)).toBe("1");
});

test("an answer that is too large, or none of the protocol, ends the connection", async () => {
  const provider = await startProvider(({ arguments: [method] }) =>
    method === "large"
      ? { value: "x".repeat(5_000) }
      : { bytes: Buffer.from("HTTP/1.1 400 no\r\n") },
  );
  const properties = { ...provider.properties, maxResponseBodySize: "1024" };
  await using output = await openOutput(dubbo, properties);
  const call = (methodName: string) =>
    output.invoke("invoke", { methodName }, { data: JSON.stringify(empty) });
  const message = (text: string) => ({
    effect: "ambiguous",
    message: expect.stringContaining(text),
  });
  await expect(call("large")).rejects.toMatchObject(message("larger than 1024 bytes"));
  await expect(call("other")).rejects.toMatchObject(message("does not speak Dubbo"));
});

test("heartbeats go both ways", async () => {
  const provider = await startProvider();
  await using output = await openOutput(dubbo, provider.properties);
  await output.ping();
  provider.ask();
  await vi.waitFor(() => expect(provider.heartbeats).toEqual(["asked", "asked", "answered"]));
});

test("a call names its provider where the component does not, and else only if that is allowed", async () => {
  const provider = await startProvider(() => ({ value: 1 }));
  const other = await startProvider(() => ({ value: 2 }));
  const data = JSON.stringify(empty);
  const metadata = { methodName: "x", ...other.properties };
  await using free = await openOutput(dubbo, {});
  expect(String((await free.invoke("invoke", metadata, { data }))?.data)).toBe("2");
  await using bound = await openOutput(dubbo, provider.properties);
  await expect(bound.invoke("invoke", metadata, { data })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "rejected" },
    message: expect.stringContaining("allowProviderOverride"),
  });
  const allowed = { ...provider.properties, allowProviderOverride: "true" };
  await using both = await openOutput(dubbo, allowed);
  expect(String((await both.invoke("invoke", metadata, { data }))?.data)).toBe("2");
});

test.each([
  [{}, "neither the call nor the component names a provider"],
  [{ providerHostname: "a/b", providerPort: "1" }, "providerHostname is no name of a host"],
])("a call without a provider is refused: %j", async (metadata: Record<string, string>, why) => {
  await using output = await openOutput(dubbo, { interfaceName: "shop.Users" });
  const call = output.invoke("invoke", { methodName: "x", ...metadata }, { data: "{}" });
  await expect(call).rejects.toMatchObject({ message: expect.stringContaining(why) });
});

test("bytes that are no Hessian are an error, whatever they are", () => {
  for (const hex of ["", "52", "58ff", "4f90", "5190", "43", "7f", "4d05", "4a00", "58490fffffff"])
    expect(() => new HessianReader(Buffer.from(hex, "hex")).read(), hex).toThrow(Error);
  const deep = Buffer.alloc(10_000, 0x57);
  expect(() => new HessianReader(deep).read()).toThrow("nested too deeply");
});

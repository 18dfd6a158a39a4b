import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import grpc from "../../../src/bindings/grpc/index.ts";
import { openOutput, type OpenedOutput } from "../opened-output.ts";
import { buildDescriptors, startOrders, type OrdersServer } from "./orders-server.ts";

let set: Buffer;
let server: OrdersServer;
let output: OpenedOutput;
beforeAll(async () => {
  set = await buildDescriptors();
});
beforeEach(async () => {
  server = await startOrders(set);
  output = await openOutput(grpc, { address: server.address, service: "shop.v1.Orders" });
});
afterEach(async () => {
  await output[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const long = "x".repeat(64 * 1024);
const texts: Readonly<Record<string, string>> = {
  ...{ "CR LF": "a\r\nb: c", NUL: "a\0b", quotes: `a"'b`, "../": "../../Get", "64 KiB": long },
  ...{ "a question mark": "Get?a=b", "a space": "Get it", "a letter beyond ASCII": "Gét" },
};

describe.each(Object.entries(texts))("%s", (name, text) => {
  test.each(["method", "service"])("in a %s never reaches a path", async (field) => {
    const before = server.streams.length;
    const metadata = { method: "Get", [field]: text };
    const call = output.invoke("call", metadata);
    await expect(call).rejects.toMatchObject({ effect: "rejected" });
    const paths = server.streams.slice(before).filter((path) => !path.includes("reflection"));
    expect(paths).toEqual([]);
  });

  test("in a name of request metadata is refused", async () => {
    const call = output.invoke("call", { method: "Get", [`header:${text}`]: "value" });
    await expect(call).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    expect(server.calls).toEqual([]);
  });

  test("in a value of request metadata is refused, or arrives as it is", async () => {
    const call = output.invoke("call", { method: "Get", "header:x-test": text });
    // oxlint-disable-next-line no-control-regex -- they are what is refused
    if (/[^ -~]/.test(text) || name === "64 KiB") {
      await expect(call).rejects.toMatchObject({ reason: "invalid_argument" });
      expect(server.calls).toEqual([]);
    } else {
      await call;
      expect(server.calls[0]?.context.requestHeader.get("x-test")).toBe(text);
    }
  });

  test("in a field arrives as it is", async () => {
    await output.invoke("call", { method: "Get" }, { data: JSON.stringify({ orderId: text }) });
    expect(server.calls[0]?.order.orderId).toBe(text);
  });
});

test.each([
  ...["grpc-timeout", "grpc-encoding", "content-type", "te", "Host", ":path", "connection"],
  ...["Transfer-Encoding", "content-length", ""],
])("the header %j cannot be set", async (name) => {
  const call = output.invoke("call", { method: "Get", [`header:${name}`]: "1" });
  await expect(call).rejects.toMatchObject({ reason: "invalid_argument" });
});

test.each([
  ["no JSON", "no"],
  ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22])],
  ["an array", "[]"],
  ["a member that is not known", '{"nosuch":1}'],
  ["a wrong type", '{"orderId":1}'],
  ["a number beyond 64 bits", '{"total":9223372036854775808}'],
  ["bytes that are no base64", '{"payload":"*"}'],
  ["deep nesting", '{"a":'.repeat(100_000)],
  ["a prototype", '{"__proto__":{"orderId":"1"}}'],
])("data that are %s are refused", async (_, data) => {
  const call = output.invoke("call", { method: "Get" }, { data });
  await expect(call).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
  expect(server.calls).toEqual([]);
});

test("a call that names nothing is refused", async () => {
  const call = output.invoke("call", {});
  await expect(call).rejects.toMatchObject({ reason: "invalid_argument" });
  const bin = output.invoke("call", { method: "Get", "header:x-bin": "no base64!" });
  await expect(bin).rejects.toMatchObject({ reason: "invalid_argument" });
});

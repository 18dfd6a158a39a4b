import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { memberOf } from "../../src/generate/python.ts";
import { cufflinkHere } from "../cli/in-process.ts";
import { folder } from "../resources/folder.ts";
import { component, components } from "./components.ts";

// What Python says of the module is tested by `npm run test:clients`.
test("the module has a method for each operation and a handler for each input", async () => {
  const place = folder(components);
  const out = join(place, "shop.py");
  const args = ["generate", "python", "--resources", place];
  expect((await cufflinkHere([...args, "--out", out])).code).toBe(0);
  const text = readFileSync(out, "utf8");
  expect((await cufflinkHere(args)).stdout).toBe(text);
  expect((await cufflinkHere([...args, "--out", out, "--check"])).code).toBe(0);
  expect(text).toMatch(/self\.my_orders = MyOrdersBinding\(self\)/);
  expect(text).toMatch(/async def create\(\n {8}self,\n {8}data: MyOrders,\n/);
  expect(text).toContain('        "class": "NotRequired[str | None]",');
  expect(text).toContain('        "state": "NotRequired[Literal[\\"open\\", \\"paid\\"]]",');
  expect(text).toContain('        "ship-to": "NotRequired[dict[str, str]]",');
  expect(text).toMatch(/self\._client\._on\("tick", handler, \{"readtimeutc": "readTimeUTC",/);
  expect(text).toContain("metadata: _RowsCreateRequest,");
  expect(text).not.toMatch(/\t| +\n/);
});

test("names that are the same in Python are told", async () => {
  const cache = (name: string): string => component(name, "bindings.redis", { redisHost: "a" });
  const place = folder({ "a.yaml": cache("myOrders"), "b.yaml": cache("my-orders") });
  const { code, stderr } = await cufflinkHere(["generate", "python", "--resources", place]);
  expect(code).toBe(1);
  expect(stderr).toContain("my-orders and myOrders would both be called my_orders; rename one");
});

test("names in code", () => {
  const names = ["my-orders", "bulkGet", "2nd", "a.b_c", "class", "chat-completion", "HTTPGet"];
  expect(names.map(memberOf)).toEqual([
    ...["my_orders", "bulk_get", "_2nd", "a_b_c", "class_", "chat_completion", "httpget"],
  ]);
});

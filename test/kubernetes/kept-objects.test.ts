import { expect, test } from "vitest";
import { KeptObjects } from "../../src/kubernetes/kept-objects.ts";

const kept = () => new KeptObjects({ kind: "Component", namespace: "shop", appId: "orders" });
const object = (name: string, rest: object = {}): string =>
  JSON.stringify({ metadata: { name }, spec: { type: "bindings.cron" }, ...rest });

test("only what counts is kept, in the order of the names", () => {
  const objects = kept();
  objects.put(object("b", { status: { canary: 1 }, extra: "canary" }));
  objects.put(object("a"));
  expect(objects.sources.map(({ file }) => file)).toEqual(["Component shop/a", "Component shop/b"]);
  expect(objects.sources.map(({ text }) => text).join()).not.toContain("canary");
  expect(objects.put(object("a", { status: { canary: 2 } }))).toEqual({
    name: "a",
    changed: false,
  });
  expect(objects.remove("a")).toBe(true);
  expect(objects.remove("a")).toBe(false);
  expect(objects.keepOnly(new Set(["b"]))).toBe(false);
  expect(objects.keepOnly(new Set())).toBe(true);
});

test("of a component for other apps only what names it is kept", () => {
  const objects = kept();
  const spec = { type: "bindings.cron", metadata: [{ name: "x", value: "canary" }] };
  objects.put(object("far", { spec, scopes: ["billing"] }));
  objects.put(object("near", { spec, scopes: ["billing", "orders"] }));
  const [far, near] = objects.sources.map(({ text }) => text);
  expect(far).toContain("type: bindings.cron");
  expect(far).not.toContain("canary");
  expect(near).toContain("canary");
});

test("what is too large or too deep is left out, said once, and comes back when it is right", () => {
  const objects = kept();
  const deep = JSON.parse("[".repeat(200) + "]".repeat(200)) as unknown;
  expect(objects.put(object("large", { spec: "x".repeat(1 << 20) })).changed).toBe(true);
  expect(objects.put(object("large", { spec: "y".repeat(1 << 20) })).changed).toBe(false);
  objects.put(object("deep", { spec: deep }));
  expect(objects.sources).toEqual([]);
  expect(objects.problems.map(({ file, message }) => `${file} ${message}`)).toEqual([
    "Component shop/deep is nested deeper than 100 levels, and is left out",
    "Component shop/large is larger than 1 MiB, and is left out",
  ]);
  expect(objects.put(object("large")).changed).toBe(true);
  expect(objects.sources).toHaveLength(1);
});

test("all of a kind together have 64 MiB at most", () => {
  const objects = kept();
  const most = object("a", { spec: "x".repeat((1 << 20) - 1000) });
  for (let n = 0; n < 70; n++) objects.put(most.replace('"a"', `"a${n}"`));
  expect(objects.sources).toHaveLength(64);
  expect(objects.problems).toHaveLength(6);
  objects.remove("a0");
  expect(objects.put(most.replace('"a"', '"a69"')).changed).toBe(true);
});

test("what has no name is no object", () => {
  expect(kept().put('{"metadata":{}}')).toEqual({ name: undefined, changed: false });
  expect(kept().put("[]")).toEqual({ name: undefined, changed: false });
});

import { execFile } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { memberOf } from "../../src/generate/typescript.ts";
import { root } from "../cli/command.ts";
import { cufflinkHere } from "../cli/in-process.ts";
import { folder } from "../resources/folder.ts";
import { component, components } from "./components.ts";

const sdk = join(root, "src/sdk/index.ts");

describe("the module of some components", () => {
  async function generated(): Promise<{ place: string; text: string }> {
    const place = folder(components);
    const out = join(place, "bindings.ts");
    const { code, stderr } = await cufflinkHere([
      ...["generate", "ts", "--resources", place, "--library", sdk, "--out", out],
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    return { place, text: readFileSync(out, "utf8") };
  }

  test("is the same each time, and --check tells when it is stale", async () => {
    const { place, text } = await generated();
    const args = ["generate", "ts", "--resources", place, "--library", sdk];
    expect((await cufflinkHere(args)).stdout).toBe(text);
    const out = join(place, "bindings.ts");
    const check = [...args, "--out", out, "--check"];
    expect((await cufflinkHere(check)).code).toBe(0);
    writeFileSync(out, text.replace("create", "creates"));
    const stale = await cufflinkHere(check);
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringContaining("is stale; run ")]);
    expect(readFileSync(out, "utf8")).toContain("creates");
    const absent = join(place, "absent.ts");
    const missing = await cufflinkHere([...args, "--out", absent, "--check"]);
    expect([missing.code, existsSync(absent)]).toEqual([1, false]);
    writeFileSync(out, text);
  });

  test("compiles, what is right with it does, and each mistake does not", async () => {
    const { place } = await generated();
    writeFileSync(join(place, "use.ts"), uses);
    writeFileSync(join(place, "package.json"), '{"type":"module"}');
    symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
    const options = {
      ...{ target: "es2024", lib: ["es2024", "esnext.disposable"], types: ["node"], noEmit: true },
      ...{ module: "nodenext", strict: true, skipLibCheck: true, exactOptionalPropertyTypes: true },
      ...{ noUncheckedIndexedAccess: true, noPropertyAccessFromIndexSignature: true },
      ...{ allowImportingTsExtensions: true, noUnusedLocals: true, verbatimModuleSyntax: true },
      erasableSyntaxOnly: true,
    };
    const project = { compilerOptions: options, files: ["use.ts", "bindings.ts"] };
    writeFileSync(join(place, "tsconfig.json"), JSON.stringify(project));
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const args = [compiler, "--project", join(place, "tsconfig.json")];
    const failed = await promisify(execFile)(process.execPath, args, { cwd: place }).then(
      () => "",
      (error: { stdout: string }) => error.stdout,
    );
    expect(failed).toBe("");
  });

  test("calls what it says", async () => {
    const { place } = await generated();
    const calls: unknown[] = [];
    const handlers = new Map<string, (event: unknown) => unknown>();
    const app = {
      async invoke(...call: unknown[]) {
        calls.push(call);
        return { data: new Uint8Array(), metadata: {} };
      },
      on: (name: string, handler: (event: unknown) => unknown) => handlers.set(name, handler),
    };
    const { bindingsOf } = (await import(join(place, "bindings.ts"))) as {
      bindingsOf: (app: unknown) => Record<string, Record<string, (call?: unknown) => unknown>>;
    };
    const { myOrders, cache, api } = bindingsOf(app);
    await myOrders?.["create"]?.({ data: { id: 1, lines: [] }, metadata: { partitionKey: "a" } });
    await cache?.["get"]?.({ metadata: { key: "k" } });
    await api?.["get"]?.();
    await api?.["get"]?.({ otherMetadata: { Accept: "text/plain" }, timeout: 5 });
    myOrders?.["on"]?.(() => "heard");
    expect(calls).toEqual([
      ["my-orders", "create", { data: '{"id":1,"lines":[]}', metadata: { partitionKey: "a" } }],
      ["cache", "get", { metadata: { key: "k" } }],
      ["api", "get", { metadata: {} }],
      ["api", "get", { metadata: { Accept: "text/plain" }, timeout: 5 }],
    ]);
    expect([...handlers.keys()]).toEqual(["my-orders"]);
    expect(handlers.get("my-orders")?.(undefined)).toBe("heard");
  });
});

const uses = `import { createApp } from ${JSON.stringify(sdk)};
import { bindingsOf, type MyOrders } from "./bindings.ts";

const { myOrders, cache, api, table, rows, tick } = bindingsOf(createApp());
const order: MyOrders = { id: 1, state: "open", lines: [{ sku: "a", count: 2 }] };

await myOrders.create({ data: order, metadata: { partitionKey: "a" }, timeout: 1000 });
await myOrders.create({ data: { id: 2, lines: [] } });
const { data, metadata } = await table.query({ metadata: { sql: "select 1" } });
export const told: [Uint8Array, string | undefined] = [data, metadata.duration];
await rows.get({ metadata: { primaryKeys: "id" } });
await cache.create({ data: "text", metadata: { key: "k", ttlInSeconds: "5" } });
await table.exec({ metadata: { sql: "delete", readOnly: false } });
await api.get({ otherMetadata: { Accept: "text/plain" } });
myOrders.on((event) => {
  const offset: string | undefined = event.metadata.__offset;
  const name: "my-orders" = event.name;
  return { data: name + offset + event.json().lines[0]?.sku, to: ["cache"] };
});
tick.on(async ({ metadata }) => void metadata.readTimeUTC);

// @ts-expect-error: there is no such component
bindingsOf(createApp()).orders;
// @ts-expect-error: there is no such operation
await cache.put({ data: "text" });
// @ts-expect-error: cron has no operations
await tick.create({ data: "text" });
// @ts-expect-error: an output only takes no events
cache.on(() => undefined);
// @ts-expect-error: a payload with a schema is needed
await myOrders.create();
// @ts-expect-error: it is not a text
await myOrders.create({ data: "text" });
// @ts-expect-error: what it requires is not there
await myOrders.create({ data: { id: 1 } });
// @ts-expect-error: a wrong field
await myOrders.create({ data: { id: 1, lines: [], stat: "open" } });
// @ts-expect-error: a wrong value
await myOrders.create({ data: { id: 1, lines: [], state: "opened" } });
// @ts-expect-error: a wrong field further within
await myOrders.create({ data: { id: 1, lines: [{ sku: "a", number: 2 }] } });
// @ts-expect-error: there is no such metadata
await myOrders.create({ data: order, metadata: { partitionkey: "a" } });
// @ts-expect-error: metadata of another type
await table.exec({ metadata: { sql: "delete", readOnly: "no" } });
// @ts-expect-error: required metadata is not there
await rows.get({ metadata: {} });
// @ts-expect-error: nor is any metadata
await rows.get();
// @ts-expect-error: metadata of another operation
await cache.get({ metadata: { key: "k", ttlInSeconds: 5 } });
// @ts-expect-error: the answer has no such metadata
void metadata.rows;
// @ts-expect-error: the event has no such metadata
myOrders.on(({ metadata }) => void metadata.offset);
// @ts-expect-error: the payload has no such field
myOrders.on((event) => void event.json().number);
// @ts-expect-error: no output of that name takes a reply
myOrders.on(() => ({ to: ["tick"] }));
`;

test("names that are the same in code are told, and the component files' mistakes", async () => {
  const place = folder({
    "a.yaml": component("my-orders", "bindings.redis", { redisHost: "a" }),
    "b.yaml": component("my_orders", "bindings.redis", { redisHost: "a" }),
    "c.yaml": component("c", "bindings.cron", { schedule: "@hourly", schema: "none.json" }),
  });
  const args = ["generate", "ts", "--resources", place];
  const twins = await cufflinkHere(args);
  expect(twins.code).toBe(1);
  expect(twins.stderr).toContain(
    "the components my-orders and my_orders would both be called myOrders; rename one",
  );
  expect(twins.stderr).toMatch(/c\.yaml:\d+:\d+: schema "none\.json": .*no such file/);
  const wrong = folder({ "a.yaml": component("a", "bindings.redsi", {}) });
  const unknown = await cufflinkHere(["generate", "ts", "--resources", wrong]);
  expect([unknown.code, unknown.stdout]).toEqual([1, ""]);
  expect(unknown.stderr).toContain('"bindings.redsi"');
  const usage = await cufflinkHere([...args, "--check"]);
  expect([usage.code, usage.stderr]).toEqual([2, expect.stringContaining("--check needs --out")]);
});

test("check tells of a schema that is not there, no JSON, or elsewhere", async () => {
  const place = folder({
    "broken.json": "{",
    "a.yaml": component("a", "bindings.cron", { schedule: "@hourly", schema: "none.json" }),
    "b.yaml": component("b", "bindings.cron", { schedule: "@hourly", schema: "broken.json" }),
    "remote.json": '{"$ref":"https://x.invalid/s.json"}',
    "c.yaml": component("c", "bindings.cron", { schedule: "@hourly", schema: "remote.json" }),
    "d.yaml": component("d", "bindings.cron", {
      ...{ schedule: "@hourly", schema: "remote.json#/$defs/None" },
    }),
    "e.yaml": component("e", "bindings.cron", {
      ...{ schedule: "@hourly", schema: "https://x.invalid/s.json" },
    }),
  });
  const { stdout } = await cufflinkHere(["check", "--json", place]);
  const { problems } = JSON.parse(stdout) as { problems: { message: string }[] };
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^property "schema": .*no such file/),
    expect.stringMatching(/^property "schema": broken\.json is no JSON/),
    expect.stringMatching(/^property "schema": .* refers to https:.*, another document/),
    expect.stringMatching(/^property "schema": it refers to #\/\$defs\/None, which is not there/),
    expect.stringMatching(/^property "schema": https:.* is an address/),
  ]);
});

test("names in code", () => {
  expect(["my-orders", "orders", "2nd", "a.b_c", "class", "Ä-b"].map(memberOf)).toEqual([
    ...["myOrders", "orders", "_2nd", "aBC", "class", "äB"],
  ]);
});

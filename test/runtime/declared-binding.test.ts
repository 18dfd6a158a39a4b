import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { lint } from "../../src/resources/lint.ts";
import { loadResources } from "../../src/resources/load.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";
import {
  DeclaredBinding,
  declarationOfBinding,
  type BindingDeclaration,
} from "../../src/runtime/declared-binding.ts";
import { component, FakeSystem, startRuntime } from "./fake-binding.ts";

const catalogue = join(import.meta.dirname, "../cli/catalogue");

/** As a file brings it back. */
function declared(binding: AnyBinding, load = async () => binding): DeclaredBinding {
  const text = JSON.stringify(declarationOfBinding(binding));
  return new DeclaredBinding(JSON.parse(text) as BindingDeclaration, load);
}

async function problemsOf(path: string, known: readonly AnyBinding[]) {
  const options = { bindings: known, frameworkFields: componentFields, checkSecrets: false };
  const { components, problems } = await loadResources({ paths: [path], env: {}, ...options });
  const found = await lint(components, known, { ...options, maxBodySize: 1000, allowExec: false });
  return { problems, found, names: components.flatMap(({ properties }) => properties) };
}

test.each(
  ["", "mistakes"].flatMap((folder) =>
    readdirSync(join(catalogue, folder))
      .filter((file) => file.endsWith(".yaml"))
      .map((file) => join(folder, file)),
  ),
)("%s: the declarations alone find what the bindings find, at the same places", async (file) => {
  const path = join(catalogue, file);
  const { names, ...expected } = await problemsOf(path, bindings);
  const properties = names.map(({ name }) => name);
  const known = bindings.map((binding) => {
    const one = declared(binding);
    return one.needsCodeFor(properties) ? binding : one;
  });
  const { problems, found } = await problemsOf(path, known);
  expect({ problems, found }).toEqual(expected);
});

test.each(bindings)(
  "$name: names, directions and operations are those of the binding",
  (binding) => {
    const { name, aliases = [], status, summary, operations, ...rest } = binding;
    const one = declared(binding);
    expect(one).toMatchObject({ name, aliases, status, summary });
    expect(one.read === undefined).toBe(rest.read === undefined);
    expect(one.inputIsOptional).toBe(rest.inputIsOptional === true);
    expect(one.runsPrograms).toBe(rest.runsPrograms);
    const streams = (of: AnyBinding["operations"]): unknown =>
      of && Object.entries(of).map(([key, one]) => [key, one.invokeStream !== undefined]);
    expect(streams(one.operations)).toEqual(streams(operations));
  },
);

function lazy(load: (binding: AnyBinding) => Promise<AnyBinding>) {
  const system = new FakeSystem();
  const whole = system.binding("fake", "output");
  const started = startRuntime({ bindings: [declared(whole, () => load(whole))] });
  const properties = [{ name: "readiness", origin: undefined }];
  const spec = component("fake", { readiness: "lazy" }, { properties, initTimeout: 50 });
  return { ...started, system, spec };
}

test("a component that waits for its first use needs no code, and is listed; its first call loads it", async () => {
  let loads = 0;
  const { runtime, system, spec, status, invoke } = lazy(async (binding) => {
    loads++;
    return binding;
  });
  await runtime.apply([spec]);
  expect(status()).toMatchObject({
    ...{ state: "starting", reason: "not used yet", readiness: "lazy" },
    ...{ operations: ["create", "set", "put"], directions: { input: false, output: true } },
  });
  expect(runtime.takesStream("orders", "create")).toBe(false);
  expect([loads, system.openings.length]).toEqual([0, 0]);
  system.invoke = async () => "done";
  expect(await Promise.all([invoke("orders"), invoke("orders", "put")])).toEqual(["done", "done"]);
  expect(system.calls.map(({ request }) => request)).toEqual([{}, { mode: "set" }]);
  expect([system.openings.length, status().state]).toEqual([1, "running"]);
});

test("an operation that it has not is refused by its name, as ever", async () => {
  const { runtime, spec, invoke } = lazy(async (binding) => binding);
  await runtime.apply([spec]);
  await expect(invoke("orders", "drop")).rejects.toThrow(
    "binding orders does not support operation drop. supported operations:create set put",
  );
});

test("metadata that is wrong keeps it from waiting: it has failed from the start", async () => {
  const { runtime, spec, status } = lazy(async (binding) => binding);
  const values = { readiness: "lazy", host: "here", size: "101" };
  await runtime.apply([{ ...spec, resolve: async () => ({ values, secrets: [] }) }]);
  expect(status()).toMatchObject({ state: "failed" });
  expect(status().reason).toContain('metadata size "101" must be from');
});

test("code that is not there any more fails the call, and says what to do", async () => {
  const { runtime, system, spec, invoke } = lazy(async (binding) => {
    if (system.log.length === 0) throw new Error("Cannot find module");
    return binding;
  });
  await runtime.apply([spec]);
  const told =
    "the code of bindings.fake cannot be loaded: Cannot find module; if the program was replaced while it ran, restart it";
  await expect(invoke("orders")).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent", message: told },
  });
  system.log.push("it is there again");
  await invoke("orders");
  expect(system.calls).toHaveLength(1);
});

test("what is read by the binding's own code needs the code", () => {
  const cron = bindings.find(({ name }) => name === "cron")!;
  const http = bindings.find(({ name }) => name === "http")!;
  expect(declared(cron).needsCodeFor(["direction", "SCHEDULE"])).toBe(true);
  expect(declared(cron).needsCodeFor(["direction"])).toBe(false);
  expect(declared(http).needsCodeFor(["url", "readiness"])).toBe(false);
});

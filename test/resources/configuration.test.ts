import { join } from "node:path";
import { expect, test } from "vitest";
import { configured, readConfiguration } from "../../src/resources/configuration.ts";
import { component as spec } from "../runtime/fake-binding.ts";
import { brief, component, folder } from "./folder.ts";

const head = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec:\n";

async function read(...texts: string[]) {
  const files = Object.fromEntries(texts.map((text, index) => [`${index}.yaml`, text]));
  const path = folder(files);
  const { configuration, problems, broken } = await readConfiguration(
    Object.keys(files).map((name) => join(path, name)),
  );
  return { configuration, problems: brief(problems, path), broken };
}

test("without any, resources are watched and nothing is denied", async () => {
  const { configuration, problems } = await read();
  expect(configuration).toMatchObject({ hotReload: true, metrics: undefined });
  expect(configuration.isDenied("bindings.kafka", "v1")).toBe(false);
  expect(problems).toEqual([]);
});

test("features, denials and metrics are read; of two files the later counts", async () => {
  const { configuration, problems } = await read(
    `${head}  features:\n  - {name: HotReload, enabled: true}\n  components:\n    deny: [Bindings.HTTP, bindings.smtp/v1]\n`,
    `${head}  features: [{name: Other, enabled: true}, {name: HotReload, enabled: false}]\n  metrics: {enabled: false}\n`,
  );
  expect(configuration).toMatchObject({ hotReload: false, metrics: false });
  const denied = [
    ...[configuration.isDenied("bindings.http", "v7"), configuration.isDenied("bindings.smtp", "")],
    ...[
      configuration.isDenied("bindings.smtp", "v2"),
      configuration.isDenied("bindings.kafka", ""),
    ],
  ];
  expect(denied).toEqual([true, true, false, false]);
  expect(problems).toEqual([]);
});

test("what has no effect here is named once, in one line; mistakes have their place", async () => {
  const { problems, broken } = await read(
    `${head}  tracing: {samplingRate: "1"}\n  mtls: {enabled: true}\n  feature: []\n`,
  );
  expect(problems).toEqual([
    '0.yaml:7:3 warning: spec.feature is not known and is ignored; did you mean "features"?',
    "0.yaml:5:3 warning: has no effect here: spec.tracing, spec.mtls",
  ]);
  expect(broken).toBe(false);
});

test("one that cannot be understood is broken, so that nobody takes it for none", async () => {
  const wrong = await read(`${head}  components: {deny: [{a: b}, a/b/c]}\n  features: [x]\n`);
  expect(wrong.broken).toBe(true);
  expect(wrong.problems.map((one) => one.slice(0, 19))).toEqual([
    "0.yaml:6:14 error: ",
    "0.yaml:5:23 error: ",
    "0.yaml:5:31 error: ",
  ]);
  expect((await read("kind: [")).broken).toBe(true);
  expect((await readConfiguration(["/nowhere/config.yaml"])).broken).toBe(true);
});

test("resources of other kinds are not its business", async () => {
  const { problems } = await read(component("a", "bindings.cron"));
  expect(problems).toEqual([]);
});

test("guests of wasm are strict where it says so, whatever their component says", async () => {
  const { configuration, problems } = await read(`${head}  wasm: {strictSandbox: true}\n`);
  expect(problems).toEqual([]);
  const values = { url: "file:///a.wasm", strictsandbox: "false" };
  const resolve = async () => ({ values, secrets: [] });
  const both = [spec("wasm", {}, { resolve }), spec("http", {}, { resolve })];
  const [guest, other] = configured(both, configuration);
  expect((await guest?.resolve())?.values).toEqual({ url: values.url, strictSandbox: "true" });
  // A component that is open already is opened anew.
  expect(guest?.fingerprint).not.toBe(both[0]?.fingerprint);
  expect(other).toBe(both[1]);
  expect(configured(both, (await read()).configuration)).toBe(both);
});

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
    `${head}  mtls: {enabled: true}\n  api: {allowed: []}\n  feature: []\n`,
  );
  expect(problems).toEqual([
    '0.yaml:7:3 warning: spec.feature is not known and is ignored; did you mean "features"?',
    "0.yaml:5:3 warning: has no effect here: spec.mtls, spec.api",
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

test("tracing is read as daprd reads it", async () => {
  const { configuration, problems, broken } = await read(
    `${head}  tracing:
    samplingRate: "0.5"
    stdout: true
    zipkin: {endpointAddress: "http://zipkin:9411/api/v2/spans"}
    otel:
      endpointAddress: collector:4317
      protocol: grpc
      isSecure: false
      headers: ["Key=a=b", {name: other, value: c}]
      timeout: 3s
`,
  );
  expect(configuration.tracing).toEqual({
    ...{ samplingRate: "0.5", stdout: true, zipkin: "http://zipkin:9411/api/v2/spans" },
    otel: {
      ...{ address: "collector:4317", protocol: "grpc", isSecure: false, timeout: 3000 },
      headers: { key: "a=b", other: "c" },
    },
  });
  expect([problems, broken]).toEqual([[], false]);
});

test("what tracing cannot mean has its place, and the rest of it counts", async () => {
  const { configuration, problems, broken } = await read(
    `${head}  tracing:
    samplingRate: "2"
    rate: 1
    otel:
      endpointAddress: collector:4317
      protocol: thrift
      headers: [alone, {name: x, secretKeyRef: {name: s}}]
      timeout: soon
`,
  );
  expect(configuration.tracing).toEqual({
    ...{ samplingRate: "", stdout: false, zipkin: "", otel: undefined },
  });
  expect(problems.map((one) => one.replace(/^0.yaml:(\d+):\d+ /, "$1 "))).toEqual([
    "7 warning: spec.tracing.rate is not known and is ignored",
    "6 warning: samplingRate must be 0 to 1; 0.0001 counts instead",
    '11 warning: a header must be "name=value"; it is left out',
    "11 warning: a header needs name and value, and is left out; secrets are not read, variables are: envRef",
    '12 warning: timeout must be a duration, as "10s"; 10s counts instead',
    "10 warning: spec.tracing.otel.protocol must be grpc or http; nothing is exported there",
  ]);
  expect(broken).toBe(false);
});

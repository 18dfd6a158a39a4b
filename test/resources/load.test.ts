import { describe, expect, test } from "vitest";
import { stateStores } from "../../src/states/index.ts";
import { brief, check, component, folder, load } from "./folder.ts";

async function findings(
  yaml: string,
  options: Parameters<typeof check>[1] = {},
): Promise<string[]> {
  const path = folder({ "a.yaml": yaml });
  return brief(await check(path, options), path);
}

async function names(path: string, options: Parameters<typeof load>[1] = {}): Promise<string[]> {
  return (await load(path, options)).components.map(({ name }) => name);
}

describe("files", () => {
  test("top-level YAML files in name order; other files, hidden ones and subfolders are passed over", async () => {
    const path = folder({
      "b.yml": component("b", "bindings.kafka", "- {name: brokers, value: b}"),
      "a.YAML": component("a", "bindings.kafka", "- {name: brokers, value: b}"),
      "README.md": "# hello",
      "c.json": "{}",
      ".hidden.yaml": "[",
      "sub/d.yaml": component("d", "bindings.kafka"),
    });
    expect(await names(path)).toEqual(["a", "b"]);
    expect(await check(path)).toEqual([]);
  });

  test("a path may be a file, and one that is named twice is read once", async () => {
    const path = folder({ "a.yaml": component("a", "bindings.kafka") });
    const { components, problems } = await load(path, {
      paths: [`${path}/a.yaml`, path, `${path}/./a.yaml`],
    });
    expect(components).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  test("a misspelt extension and a missing folder are told", async () => {
    const path = folder({ "a.ymal": "" });
    const { problems } = await load(path, { paths: [path, `${path}/gone`] });
    expect(brief(problems, path)).toEqual([
      "a.ymal:0:0 warning: is not read: only names that end in .yaml or .yml are",
      "gone:0:0 error: cannot be read: there is no such file or folder",
    ]);
  });
});

describe("documents", () => {
  test("a broken one costs no other", async () => {
    const good = component("first", "bindings.kafka");
    const path = folder({
      "a.yaml": `${good}---\na: [1\n--- # next\n${good.replace("first", "second")}...\n---\n`,
    });
    expect(await names(path)).toEqual(["first", "second"]);
    expect((await load(path)).problems).toMatchObject([{ severity: "error", line: 9 }]);
  });

  test("Dapr's other kinds and other programs' resources are passed over", async () => {
    const others = ["Configuration", "MCPServer", "Subscription", "HTTPEndpoint"].map(
      (kind) => `apiVersion: dapr.io/v1alpha1\nkind: ${kind}\nmetadata: {name: x}\n`,
    );
    const foreign =
      "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: core.oam.dev/v1beta1\nkind: Component\n";
    expect(
      await findings(`%YAML 1.1\n---\n# nothing\n---\n${others.join("---\n")}---\n${foreign}`),
    ).toEqual([]);
  });

  test("what is nearly a component is told", async () => {
    const documents = [
      "apiVersion: dapr.io/v1alpha1\nkind: Componnet",
      "apiVersion: dapr.io/v1alpha2\nkind: Component",
      "apiVersion: dpar.io/v1alpha1\nkind: Component",
      "kind: Component",
      "apiVersion: dapr.io/v1alpha1",
      "spec: {}",
      "just text",
    ];
    expect(await findings(documents.join("\n---\n"))).toEqual([
      'a.yaml:2:7 warning: kind "Componnet" is not known and is ignored; did you mean "Component"?',
      'a.yaml:4:13 warning: this component is ignored: its apiVersion is "dapr.io/v1alpha2"; did you mean "dapr.io/v1alpha1"?',
      'a.yaml:7:13 warning: this component is ignored: its apiVersion is "dpar.io/v1alpha1"; did you mean "dapr.io/v1alpha1"?',
      'a.yaml:10:7 warning: this component is ignored: it has no apiVersion; add "apiVersion: dapr.io/v1alpha1"',
      "a.yaml:12:13 warning: is ignored: it has no kind, such as Component",
      "a.yaml:14:1 warning: is no resource and is ignored: it has neither apiVersion nor kind",
      "a.yaml:16:1 error: is no resource: it must be a mapping with apiVersion, kind, metadata and spec, not a text",
    ]);
  });

  test("keys match in any case", async () => {
    const yaml =
      "APIVERSION: dapr.io/v1alpha1\nKind: Component\nMetadata: {Name: a}\nSpec: {TYPE: bindings.redis, metadata: [{NAME: redisHost, Value: h}]}\n";
    const path = folder({ "a.yaml": yaml });
    expect(await check(path)).toEqual([]);
    expect(await (await load(path)).components[0]?.resolve()).toMatchObject({
      values: { redisHost: "h" },
    });
  });
});

describe("components", () => {
  test("unknown keys are warnings, with what was meant or where it belongs", async () => {
    const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: a
  lables: {}
spec:
  type: bindings.kafka
  version: v1
  scopes: [shop]
  metdata: []
  metadata:
    - name: brokers
      vaule: x
    - name: topics
      secretKeyRef: {nmae: y, name: z}
scope: [shop]
version: v1
`;
    expect(await findings(yaml, { checkSecrets: false })).toEqual([
      'a.yaml:5:3 warning: metadata.lables is not known and is ignored; did you mean "labels"?',
      "a.yaml:9:3 warning: spec.scopes is not known and is ignored; it belongs at the top level, beside spec",
      'a.yaml:10:3 warning: spec.metdata is not known and is ignored; did you mean "metadata"?',
      'a.yaml:13:7 warning: spec.metadata[0].vaule is not known and is ignored; did you mean "value"?',
      'a.yaml:15:22 warning: spec.metadata[1].secretKeyRef.nmae is not known and is ignored; did you mean "name"?',
      'a.yaml:16:1 warning: scope is not known and is ignored; did you mean "scopes"?',
      "a.yaml:17:1 warning: version is not known and is ignored; it belongs under spec",
      'a.yaml:12:13 error: property "brokers" is required',
    ]);
  });

  test("what cannot run is told and fails that component alone", async () => {
    const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bad}
spec:
  type: bindings.kafka
  version: v2
  initTimeout: -1s
  ignoreErrors: "yes"
  metadata: {brokers: x}
---
${component("good", "bindings.kafka", "- {name: brokers, value: x}")}`;
    const path = folder({ "a.yaml": yaml });
    const { components, problems } = await load(path);
    expect(brief(problems, path)).toEqual([
      'a.yaml:6:12 error: version "v2" of bindings.kafka is not known; did you mean "v1"?',
      "a.yaml:7:16 error: spec.initTimeout must be longer than zero, or the component could never start",
      "a.yaml:8:17 error: spec.ignoreErrors must be true or false, without quotes",
      'a.yaml:9:3 error: spec.metadata must be a list (each item begins with "- "), not a mapping',
    ]);
    expect(components.map(({ name }) => name)).toEqual(["bad", "good"]);
    await expect(components[0]?.resolve()).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "unsent",
      message: expect.stringContaining("a.yaml:7:16: spec.initTimeout must be longer than zero"),
    });
    expect(await components[1]?.resolve()).toMatchObject({ values: { brokers: "x" } });
  });

  test("one without a usable name or type is left out, and says so", async () => {
    const document = (metadata: string, spec: string): string =>
      `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: ${metadata}\nspec: ${spec}\n`;
    const path = folder({
      "a.yaml": [
        document("{}", "{type: bindings.kafka}"),
        document("{name: a/b}", "{type: bindings.kafka}"),
        document("[]", "{type: bindings.kafka}"),
        document("{name: x}", "{}"),
        document("{name: x}", "text"),
      ].join("---\n"),
    });
    const { components, problems } = await load(path);
    expect(components).toEqual([]);
    expect(brief(problems, path)).toEqual([
      "a.yaml:3:1 error: the component has no metadata.name; it is left out",
      expect.stringContaining('a.yaml:8:18 error: metadata.name "a/b" cannot be part of a URL'),
      "a.yaml:13:1 error: metadata must be a mapping, not a list",
      "a.yaml:19:1 error: the component has no spec.type, such as bindings.kafka; it is left out",
      "a.yaml:24:1 error: spec must be a mapping, not a text",
      "a.yaml:24:1 error: the component has no spec.type, such as bindings.kafka; it is left out",
    ]);
  });

  test("of a name used twice the first stays; both places are told", async () => {
    const path = folder({
      "a.yaml": component("same", "bindings.redis", "- {name: redisHost, value: a}"),
      "b.yaml": component("same", "bindings.kafka"),
    });
    const { components, problems } = await load(path);
    expect(components.map(({ type }) => type)).toEqual(["bindings.redis"]);
    expect(brief(problems, path)).toEqual([
      `b.yaml:3:18 error: component "same" is already defined at ${path}/a.yaml:3:18; this one is left out, rename it`,
    ]);
  });

  test("properties given twice: the last counts; in two spellings, none", async () => {
    const path = folder({
      "a.yaml": component(
        "a",
        "bindings.redis",
        "- {name: redisHost, value: a}\n- {name: redisHost, value: b}",
      ),
      "b.yaml": component(
        "b",
        "bindings.redis",
        "- {name: redisHost, value: a}\n- {name: redishost, value: b}",
      ),
    });
    const { components, problems } = await load(path);
    expect(brief(problems, path)).toEqual([
      'a.yaml:9:14 warning: property "redisHost" is given twice, first in line 8; this one counts, keep one',
      'b.yaml:9:14 error: a property is given twice, as "redisHost" in line 8 and as "redishost"; keep one',
    ]);
    expect(await components[0]?.resolve()).toMatchObject({ values: { redisHost: "b" } });
    await expect(components[1]?.resolve()).rejects.toThrow("given twice");
  });

  test("scopes and namespaces choose what is loaded, in silence", async () => {
    const yaml = [
      component("all", "bindings.kafka"),
      component("ours", "bindings.kafka", "", "scopes: [shop, x]"),
      component("theirs", "bindings.kafka", "", "scopes: [bank]"),
      component("ours", "bindings.redis", "", "scopes: [bank]"),
      component("prod", "bindings.kafka").replace("{name: prod}", "{name: prod, namespace: prod}"),
    ].join("---\n");
    const path = folder({ "a.yaml": yaml });
    expect(await names(path)).toEqual(["all", "ours", "prod"]);
    expect(await names(path, { env: { NAMESPACE: "test" } })).toEqual(["all", "ours"]);
    expect(await names(path, { namespace: "prod", appId: "bank" })).toEqual([
      "all",
      "theirs",
      "ours",
      "prod",
    ]);
    expect((await load(path)).problems).toEqual([]);
    expect(await names(path, { appId: undefined })).toEqual(["all", "ours", "theirs", "prod"]);
  });

  test("components of other building blocks are left out with one line; state.redis is not", async () => {
    const yaml = ["pubsub.redis", "state.redis", "state.mysql", "lock.redis"].map((type, index) =>
      component(`c${index}`, type),
    );
    const path = folder({ "a.yaml": yaml.join("---\n") });
    const { components, problems } = await load(path);
    expect(components.map(({ type }) => type)).toEqual(["state.redis"]);
    expect(brief(problems, path)).toEqual([
      "a.yaml:5:9 warning: components that are no bindings are left out: c0 (pubsub.redis), c2 (state.mysql), c3 (lock.redis)",
    ]);
  });

  test("misspelt types of any kind", async () => {
    const types = [
      "binding.kafka",
      "Bindings.kafka",
      "redis",
      "bindings.kafak",
      "secretstores.local.fiel",
      "nonsense.x",
      "bindings.ROCKET",
    ];
    const yaml = types.map((type, index) =>
      component(`c${index}`, type, "- {name: brokers, value: x}"),
    );
    const told = await findings(yaml.join("---\n"));
    expect(told.filter((line) => line.includes("type"))).toEqual([
      'a.yaml:5:9 error: type "binding.kafka" is not known; did you mean "bindings.kafka"?',
      'a.yaml:14:9 error: type "Bindings.kafka" is not known; did you mean "bindings.kafka"?',
      'a.yaml:23:9 error: type "redis" is not known; did you mean "bindings.redis"?',
      expect.stringMatching(
        /^a\.yaml:41:9 error: secret stores of type "secretstores\.local\.fiel" are not supported; .*secretstores\.local\.env and secretstores\.local\.file are; did you mean "secretstores\.local\.file"\?$/,
      ),
      'a.yaml:50:9 error: type "nonsense.x" is not known',
      'a.yaml:32:9 error: type "bindings.kafak" is not known; did you mean "bindings.kafka"?',
    ]);
  });

  test.each([
    ["10s", 10_000, 0],
    ["1m30s", 90_000, 0],
    ['""', 5000, 0],
    ["5", 5000, 1],
    ["soon", 5000, 1],
  ])("initTimeout %s is %d ms", async (text, milliseconds, warnings) => {
    const yaml = component("a", "bindings.kafka").replace(
      "  version",
      `  initTimeout: ${text}\n  version`,
    );
    const { components, problems } = await load(folder({ "a.yaml": yaml }));
    expect(components[0]?.initTimeout).toBe(milliseconds);
    expect(problems.map(({ severity }) => severity)).toEqual(Array(warnings).fill("warning"));
  });

  test("repeated keys: the last counts", async () => {
    const yaml = component("a", "bindings.kafka").replace(
      "  version",
      "  type: bindings.redis\n  version",
    );
    const path = folder({ "a.yaml": yaml });
    const { components, problems } = await load(path);
    expect(components[0]?.type).toBe("bindings.redis");
    expect(brief(problems, path)).toEqual([
      'a.yaml:5:3 warning: key "type" is given twice here, and this one is ignored; keep one',
    ]);
  });

  test("properties have their places and no values", async () => {
    const path = folder({
      "a.yaml": component("a", "bindings.redis", "- {name: redisHost, value: elsewhere}"),
    });
    const { components } = await load(path);
    expect(components[0]).toMatchObject({
      name: "a",
      version: "v1",
      origin: { file: `${path}/a.yaml`, line: 3, column: 18 },
      properties: [{ name: "redisHost", origin: { file: `${path}/a.yaml`, line: 8, column: 14 } }],
    });
    expect(JSON.stringify(components)).not.toContain("elsewhere");
  });
});

describe("lint", () => {
  test("wrong values, unused fields and framework fields, each at its place", async () => {
    const metadata = `
- name: brokers
  value: b
- name: direction
  value: input
- name: publishTopic
  value: t
- name: maxInFlight
  value: none
- name: replyFanOut
  value: perhaps`;
    expect(await findings(component("a", "bindings.kafka", metadata))).toEqual([
      'a.yaml:12:13 warning: property "publishTopic" is used by the output direction only, which this component leaves out',
      'a.yaml:15:14 error: property "maxInFlight": "none" is not an integer',
      'a.yaml:17:14 warning: property "replyFanOut": "perhaps" is no boolean and is read as false; write true or false',
    ]);
  });

  test("an output for exhausted events that is not there, or takes none", async () => {
    const exhausted = (output: string): string =>
      component(
        "orders",
        "bindings.kafka",
        `- {name: brokers, value: b}\n- {name: onExhausted, value: 'OUTPUT: ${output}'}`,
      );
    const parking = component("parking", "bindings.redis", "- {name: redisHost, value: h}");
    const timer = component("timer", "bindings.timer");
    const found = (output: string) => findings([exhausted(output), parking, timer].join("---\n"));
    expect(await found("parking")).toEqual([]);
    expect(await found("parkin")).toEqual([
      'a.yaml:9:34 warning: property "onExhausted" names an output that is not there: "parkin"; did you mean "parking"?',
    ]);
    expect(await found("timer")).toEqual([
      'a.yaml:9:34 warning: property "onExhausted" names timer, which has no operation create',
    ]);
  });

  test("directions that the binding does not have, or nobody has", async () => {
    const metadata = "- {name: redisHost, value: h}\n- {name: direction, value: 'inptu, output'}";
    expect(await findings(component("a", "bindings.redis", metadata))).toEqual([
      'a.yaml:9:32 warning: property "direction" must be input, output, or both with a comma between; did you mean "input"?',
    ]);
    expect(
      await findings(component("a", "bindings.redis", metadata.replace("inptu, output", "input"))),
    ).toEqual([
      'a.yaml:9:32 warning: property "direction" names input, which bindings.redis cannot do',
    ]);
  });

  test("an input's fields on a component that is an output only", async () => {
    const metadata = "- {name: redisHost, value: h}\n- {name: maxInFlight, value: 5}";
    expect(await findings(component("a", "bindings.redis", metadata))).toEqual([
      'a.yaml:9:14 warning: property "maxInFlight" is used by the input direction only, which this component leaves out',
    ]);
  });

  test("a type that Dapr has as an output only needs its fields for inputs only with a direction", async () => {
    const url = "- {name: url, value: h}";
    expect(await findings(component("a", "bindings.page", url))).toEqual([]);
    expect(
      await findings(component("a", "bindings.page", `${url}\n- {name: interval, value: 1s}`)),
    ).toEqual([
      'a.yaml:9:14 warning: property "interval" is used by the input direction only, which this component leaves out',
    ]);
    const told = `${url}\n- {name: direction, value: "input, output"}`;
    expect(await findings(component("a", "bindings.page", told))).toEqual([
      'a.yaml:7:3 error: property "interval" is required',
    ]);
  });
});

test("of a state store, too, only what is declared as sensitive is secret", async () => {
  const path = folder({
    "store.yaml": component(
      "store",
      "state.redis",
      "- {name: redisHost, value: cache.example}\n- {name: redisPassword, value: hidden}",
    ),
  });
  const { components } = await load(path, { stateStores });
  expect((await components[0]?.resolve())?.secrets).toEqual(["hidden"]);
});

test("of types whose components all wait for their first use, the properties are told", async () => {
  const lazy = "- {name: Readiness, value: Lazy}\n- {name: brokers, value: b}";
  const path = folder({
    "a.yaml": component("a", "bindings.kafka", lazy),
    "b.yaml": component("b", "bindings.kafka", `${lazy}\n- {name: topics, value: t}`),
    "c.yaml": component("c", "bindings.redis", "- {name: readiness, value: lazy}"),
    "d.yaml": component("d", "bindings.redis", "- {name: readiness, value: required}"),
    "e.yaml": component("e", "bindings.timer", "- {name: readiness, envRef: LAZY}"),
  });
  const told: unknown[] = [];
  await load(path, { needBindings: async (...given) => void told.push(given) });
  const properties = ["Readiness", "brokers", "Readiness", "brokers", "topics"];
  expect(told).toEqual([
    [
      ["bindings.kafka", "bindings.redis", "bindings.timer"],
      new Map([["bindings.kafka", properties]]),
    ],
  ]);
});

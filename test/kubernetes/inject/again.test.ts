import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { annotations, daprPrefix } from "../../../src/kubernetes/inject/annotations.ts";
import { isObject, type Json, type JsonObject } from "../../../src/kubernetes/inject/json.ts";
import { jsonPatch, pathOf } from "../../../src/kubernetes/inject/json-patch.ts";
import { injectWorkload } from "../../../src/kubernetes/inject/workload.ts";
import { injectText } from "../../../src/kubernetes/inject/yaml-documents.ts";
import { at, deployment, options } from "./objects.ts";

const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
  text: fc.constantFrom("one", "two", ""),
  boolean: fc.constantFrom("true", "false"),
  port: fc.integer({ min: 1, max: 65_535 }).map(String),
  number: fc.integer({ min: -1, max: 100 }).map(String),
  seconds: fc.nat(100).map(String),
  duration: fc.constantFrom("5s", "1m"),
  size: fc.constantFrom("4Mi", "1Gi"),
  quantity: fc.constantFrom("100m", "1", "64Mi"),
};

/** Of texts that are not any text. */
const texts: Readonly<Record<string, fc.Arbitrary<string>>> = {
  "app-protocol": fc.constantFrom("http", "GRPC"),
  "log-level": fc.constantFrom("info", "debug"),
  "sidecar-seccomp-profile-type": fc.constantFrom("RuntimeDefault", "Unconfined"),
  env: fc.constantFrom("A=1,B=2", "NAMESPACE=x"),
  "env-from-secret": fc.constantFrom("K=s:k", "DAPR_API_TOKEN=t"),
  "volume-mounts": fc.constantFrom("data:/data", "none:/none"),
  "volume-mounts-rw": fc.constantFrom("data:/tmp", "data:/more"),
  "pluggable-components": fc.constantFrom("store", "store,other"),
  "pluggable-components-sockets-folder": fc.constantFrom("/folder", "/other"),
  "unix-domain-socket-path": fc.constantFrom("/folder", "/sockets"),
  "metrics-port": fc.constantFrom("9090", "9091"),
  "grpc-port": fc.constantFrom("50001", "50003"),
  "app-port": fc.constantFrom("8080", "3000"),
};

const annotated = fc
  .record(
    Object.fromEntries(
      [...annotations].map(([name, { kind }]) => [
        daprPrefix + name,
        texts[name] ?? values[kind] ?? fc.constant("true"),
      ]),
    ),
    { requiredKeys: [] },
  )
  .map((some): JsonObject => ({
    ...(some as JsonObject),
    "dapr.io/app-id": "orders",
    "dapr.io/enabled": "true",
  }));

const named = fc.constantFrom("app", "store", "constructor", "logs");
const variable = fc.constantFrom("DAPR_GRPC_PORT", "APP_PROTOCOL", "MINE");
const container = fc.record(
  {
    name: named,
    env: fc.uniqueArray(
      variable.map((name) => ({ name, value: "own" })),
      {
        selector: ({ name }) => name,
        // An empty list is none.
        minLength: 1,
      },
    ),
    volumeMounts: fc.constant([{ name: "data", mountPath: "/folder" }]),
  },
  { requiredKeys: ["name"] },
);
const byName = { selector: ({ name }: { name: string }) => name };
const spec = fc.record(
  {
    containers: fc.uniqueArray(container, { ...byName, minLength: 1, maxLength: 3 }),
    initContainers: fc.uniqueArray(container, { ...byName, minLength: 1, maxLength: 2 }),
    volumes: fc.constant([{ name: "data", emptyDir: {} }]),
    automountServiceAccountToken: fc.boolean(),
    terminationGracePeriodSeconds: fc.nat(60),
  },
  { requiredKeys: ["containers"] },
) as unknown as fc.Arbitrary<JsonObject>;

const inject = (object: JsonObject) => injectWorkload(object, options);
const patched = (object: JsonObject) => {
  const { object: after, injections } = inject(object);
  return injections[0]?.outcome === "patched" ? after : undefined;
};

test("patching twice changes nothing", () => {
  fc.assert(
    fc.property(annotated, spec, (annotations, podSpec) => {
      const before = deployment(annotations, podSpec);
      const original = structuredClone(before);
      const once = patched(before);
      expect(before).toEqual(original);
      fc.pre(once !== undefined);
      const twice = inject(once);
      expect(twice.injections[0]?.outcome).toBe("unchanged");
      expect(twice.object).toBe(once);
    }),
  );
});

test("what was changed afterwards is put in as if it had been there before", () => {
  fc.assert(
    fc.property(annotated, annotated, spec, (first, second, podSpec) => {
      const once = patched(deployment(first, podSpec));
      const wanted = patched(deployment(second, podSpec));
      fc.pre(once !== undefined && wanted !== undefined);
      const metadata = at(once, "spec", "template", "metadata");
      const { "cufflink-runtime.github.io/injected": record = null } = at(metadata, "annotations");
      metadata["annotations"] = {
        ...second,
        "cufflink-runtime.github.io/injected": record,
      };
      expect(inject(once).object).toEqual(wanted);
    }),
  );
});

test("what is switched off is taken out", () => {
  fc.assert(
    fc.property(annotated, spec, (annotations, podSpec) => {
      const before = deployment(annotations, podSpec);
      const once = patched(before);
      fc.pre(once !== undefined);
      at(once, "spec", "template", "metadata", "annotations")["dapr.io/enabled"] = "false";
      const off = deployment({ ...annotations, "dapr.io/enabled": "false" }, podSpec);
      expect(inject(once).object).toEqual(off);
    }),
  );
});

test("in YAML it is the same as in JSON", () => {
  fc.assert(
    fc.property(annotated, spec, fc.boolean(), (annotations, podSpec, isFlow) => {
      const before = deployment(annotations, podSpec);
      const yaml = stringify(before, {
        ...{ version: "1.1", aliasDuplicateObjects: false, indentSeq: isFlow },
        ...(isFlow && { collectionStyle: "flow" as const }),
      });
      const { text, injections } = injectText(yaml, options);
      const { object } = inject(before);
      expect(parse(text, { version: "1.1" })).toEqual(object);
      if (injections[0]?.outcome === "patched") expect(injectText(text, options).text).toBe(text);
    }),
    { numRuns: 15 },
  );
});

test("a JSON patch makes the one of the other", () => {
  const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
  const object = fc.dictionary(fc.constantFrom("a", "b/c", "~d", "e"), json, {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(object, object, (before, after) => {
      expect(applied(before, jsonPatch(before, after))).toEqual(after);
    }),
  );
});

/** RFC 6902, of the operations that are made. */
function applied(before: JsonObject, patch: ReturnType<typeof jsonPatch>): Json {
  const result = structuredClone(before);
  for (const operation of patch) {
    const path = pathOf(operation.path);
    const last = path.pop() ?? "";
    const parent = path.reduce<Json | undefined>(
      (one, name) =>
        Array.isArray(one) ? one[Number(name)] : isObject(one) ? one[name] : undefined,
      result,
    );
    if (Array.isArray(parent)) {
      const index = Number(last);
      if (operation.op === "remove") parent.splice(index, 1);
      else parent.splice(index, operation.op === "add" ? 0 : 1, structuredClone(operation.value));
    } else if (isObject(parent)) {
      if (operation.op === "remove") delete parent[last];
      else parent[last] = structuredClone(operation.value);
    } else throw new Error(`no parent at ${operation.path}`);
  }
  return result;
}

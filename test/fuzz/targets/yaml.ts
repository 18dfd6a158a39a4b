import * as fc from "fast-check";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnyBinding } from "../../../src/binding.ts";
import { bindings } from "../../../src/bindings/index.ts";
import { compilePolicies } from "../../../src/policy/policies.ts";
import { lint } from "../../../src/resources/lint.ts";
import { loadResources } from "../../../src/resources/load.ts";
import { ResourceMemory } from "../../../src/resources/memory.ts";
import { formatProblem } from "../../../src/resources/problem.ts";
import { createFunctionApp } from "../../../src/app/function.ts";
import { componentFields } from "../../../src/runtime/component/component-fields.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { anyText, mutate, mutations, plainText, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";
import { silent } from "../fixture.ts";

type Input = {
  readonly documents: readonly string[];
  readonly changes: readonly Mutation[];
};

type Operations = NonNullable<AnyBinding["operations"]>;

/** Bindings as they are declared, whose systems are never there but always work. */
const harmless: readonly AnyBinding[] = bindings.map((binding): AnyBinding => {
  // A schedule and a URL are read where the component opens, and nothing is connected to.
  if (binding.name === "cron" || binding.name === "http") return binding;
  const { name, aliases = [], status, summary, metadata, retry, operations } = binding;
  return {
    ...{ name, aliases, status, summary, metadata },
    ...(retry && { retry }),
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    ...("read" in binding && { read: () => ({ stop() {}, flush() {}, close() {} }) }),
    ...(operations && {
      operations: Object.fromEntries(
        Object.entries<Operations[string]>(operations).map(([operation, one]) => [
          operation,
          { ...one, invoke: async () => undefined },
        ]),
      ),
    }),
  };
});

const good = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: the-good-one}
spec: {type: bindings.redis, version: v1, metadata: [{name: redisHost, value: here}]}
`;

const types = [
  ...bindings.map(({ name }) => `bindings.${name}`),
  ...["state.redis", "secretstores.local.env", "secretstores.local.file", "bindings.nosuch"],
  ...["pubsub.redis", "middleware.http.oauth2", ""],
];
const names = [
  ...new Set([
    ...bindings.flatMap((binding) => Object.keys(binding.metadata as object)),
    ...Object.keys(componentFields),
    ...["secretsFile", "prefix", "__proto__", "constructor", "schedule"],
  ]),
];
const durations = [
  "1000000h",
  "-1s",
  "99999999999999999999s",
  "0",
  "1e9",
  "1ns",
  ".5h",
  "2562047h48m",
];
const values = fc.oneof(
  fc.constantFrom(
    ...[
      ...durations,
      "true",
      "yes",
      "",
      "~",
      "null",
      "0x1F",
      "1_000",
      "{uuid}",
      "{podName}",
      "a,b",
    ],
    ...[
      "1.5",
      "-1",
      "9007199254740993",
      "1e999",
      "NaN",
      "🙂",
      "redis://[",
      "http://[",
      "localhost:99999",
    ],
    ...[
      "input",
      "output",
      "header:",
      "none",
      "@every 1ns",
      "@every 1000000h",
      "* * * * * *",
      "0 0 31 2 *",
    ],
    ...[
      "0 0 0 1 1 ? 2099",
      "*/0 * * * *",
      "1-99999999 * * * *",
      "@hourly",
      "L * * * *",
      "CRON_TZ=X * * * * *",
    ],
  ),
  plainText(20),
  anyText(12),
);

const property = fc
  .record(
    {
      name: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...names) },
        { weight: 1, arbitrary: anyText(8) },
      ),
      value: fc.oneof(values, fc.jsonValue({ maxDepth: 2 })),
      secretKeyRef: fc.oneof(
        fc.record({ name: values, key: values }, { requiredKeys: [] }),
        fc.jsonValue({ maxDepth: 1 }),
      ),
      envRef: values,
    },
    { requiredKeys: ["name", "value"] },
  )
  .map((one): object => one);

const component = fc.record(
  {
    apiVersion: fc.oneof(
      { weight: 9, arbitrary: fc.constant("dapr.io/v1alpha1") },
      { weight: 1, arbitrary: values },
    ),
    kind: fc.oneof(
      { weight: 9, arbitrary: fc.constant("Component") },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          "Configuration",
          "Resiliency",
          "Subscription",
          "HTTPEndpoint",
          "List",
          "x",
        ),
      },
    ),
    metadata: fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record(
          {
            name: fc.oneof(fc.constantFrom("a", "b", "c", "__proto__"), values),
            namespace: values,
          },
          { requiredKeys: ["name"] },
        ),
      },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    ),
    spec: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record(
          {
            type: fc.constantFrom(...types),
            version: fc.constantFrom("v1", "v2", "", "V1"),
            metadata: fc.oneof(
              { weight: 6, arbitrary: fc.array(property, { maxLength: 6 }) },
              { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
            ),
            initTimeout: values,
            ignoreErrors: values,
          },
          { requiredKeys: ["type", "version", "metadata"] },
        ),
      },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
    ),
    scopes: fc.oneof(fc.array(values, { maxLength: 2 }), fc.jsonValue({ maxDepth: 1 })),
    auth: fc.oneof(fc.record({ secretStore: values }), fc.jsonValue({ maxDepth: 1 })),
  },
  { requiredKeys: ["apiVersion", "kind", "metadata", "spec"] },
);

const resiliency = fc
  .record({
    policies: fc.oneof(
      fc.record(
        {
          timeouts: fc.dictionary(anyText(5), values, { maxKeys: 2 }),
          retries: fc.dictionary(
            fc.constantFrom("r", "DefaultRetryPolicy"),
            fc.record(
              {
                policy: values,
                duration: values,
                maxInterval: values,
                maxRetries: values,
                matching: values,
              },
              { requiredKeys: [] },
            ),
            { maxKeys: 2 },
          ),
          circuitBreakers: fc.dictionary(
            anyText(5),
            fc.record(
              {
                maxRequests: values,
                interval: values,
                timeout: values,
                trip: fc.oneof(
                  fc.constantFrom(
                    "consecutiveFailures > 5",
                    "a.b(",
                    "1",
                    "requests / 0 > 1",
                    "[".repeat(200),
                  ),
                  values,
                ),
              },
              { requiredKeys: [] },
            ),
            { maxKeys: 2 },
          ),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue({ maxDepth: 3 }),
    ),
    targets: fc.oneof(
      fc.record({
        components: fc.dictionary(
          fc.constantFrom("a", "b", "the-good-one"),
          fc.record({ inbound: fc.record({ retry: fc.constant("r"), timeout: values }) }),
          { maxKeys: 2 },
        ),
      }),
      fc.jsonValue({ maxDepth: 3 }),
    ),
  })
  .map((spec) => ({
    ...{ apiVersion: "dapr.io/v1alpha1", kind: "Resiliency", metadata: { name: "r" }, spec },
  }));

const yaml = fc.constantFrom(
  "<<: &a {b: *a}",
  "a: &a [*a]",
  "? {a: b}\n: c",
  "%YAML 1.2\n---\na: b",
  "!!set {a, b}",
  "!<tag:x> a",
  "a: !!binary |\n  R0lGODlhDAAMAIQAAP",
  "- - - - a",
  "'",
  "\t",
  "a: |\n b\n c: >-\n   d",
  good.replace("the-good-one", "a"),
  good.replace("the-good-one", "b").replaceAll("\n", "\r\n"),
);

/** Resource files: well-formed ones with odd content, and whatever a broken hand or disk makes of them. */
export const yamlFiles: Target<Input> = {
  name: "yaml",
  input: fc.record({
    documents: fc.array(
      fc.oneof(
        { weight: 6, arbitrary: component.map((one) => JSON.stringify(one, undefined, 1)) },
        { weight: 1, arbitrary: resiliency.map((one) => JSON.stringify(one, undefined, 1)) },
        { weight: 2, arbitrary: yaml },
      ),
      { minLength: 1, maxLength: 3 },
    ),
    changes: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: mutations },
    ),
  }),
  async start() {
    const folder = await mkdtemp(join(tmpdir(), "cufflink-fuzz-"));
    await writeFile(join(folder, "z.yaml"), good);
    const memory = new ResourceMemory();
    const runtime = createRuntime({
      appId: "fuzz",
      bindings: harmless,
      app: createFunctionApp({ onBindingEvent: () => undefined }),
      logger: silent,
      http: { listen: () => Promise.reject(new Error("nothing is served")) },
    });
    return {
      async check({ documents, changes }) {
        const file = mutate(Buffer.from(documents.join("\n---\n")), changes);
        await writeFile(join(folder, "a.yaml"), file);
        const loaded = await loadResources({
          paths: [folder],
          appId: "fuzz",
          env: {},
          bindings: harmless,
          frameworkFields: componentFields,
          memory,
        });
        const { components, resiliency: said } = loaded;
        runtime.applyPolicies(said && (await compilePolicies(said)));
        const findings = await lint(components, harmless, { frameworkFields: componentFields });
        for (const problem of [...loaded.problems, ...findings]) {
          if (problem.message === "") throw new Error("a problem without a text");
          formatProblem(problem, { color: true });
        }
        if (new Set(components.map(({ name }) => name)).size !== components.length)
          throw new Error("two components of one name");
        await runtime.apply(components, { problems: [], refused: loaded.refused });
        const states = runtime.components();
        if (states.length !== components.length)
          throw new Error(`${states.length} of ${components.length} components are there`);
        // In the file that was changed nothing says its name, unless by chance.
        if (file.includes("the-good-one")) return;
        const state = states.find(({ name }) => name === "the-good-one");
        if (state?.state !== "running") throw new Error(`the good one is ${state?.state}`);
        await runtime.invoke({
          ...{ name: "the-good-one", operation: "create", data: undefined, encoding: "bytes" },
          ...{ metadata: { key: "a" }, signal: new AbortController().signal },
        });
      },
      async [Symbol.asyncDispose]() {
        await runtime.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { defineBinding, type AnyBinding } from "../../src/binding.ts";
import { bool, integer, string } from "../../src/metadata/fields.ts";
import { lint } from "../../src/resources/lint.ts";
import { loadResources, type ResourceOptions } from "../../src/resources/load.ts";
import { describe, type ResourceProblem } from "../../src/resources/problem.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";

/** A folder with these files, gone after the test. */
export function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const path = mkdtempSync(join(tmpdir(), "cufflink-resources-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** A component's YAML. `metadata` is indented as the value of `spec.metadata`. */
export function component(name: string, type: string, metadata = "", rest = ""): string {
  return [
    "apiVersion: dapr.io/v1alpha1",
    "kind: Component",
    `metadata: {name: ${name}}`,
    "spec:",
    `  type: ${type}`,
    "  version: v1",
    ...(metadata === ""
      ? []
      : [
          "  metadata:",
          ...metadata
            .trim()
            .split("\n")
            .map((line) => `    ${line}`),
        ]),
    ...(rest === "" ? [] : [rest]),
    "",
  ].join("\n");
}

const open = (): AsyncDisposable => ({ [Symbol.asyncDispose]: () => Promise.resolve() });
const create = { description: "Creates.", request: {}, invoke: () => Promise.resolve() };

/** Bindings to check files against: one of each direction, and one of both. */
export const bindings: readonly AnyBinding[] = [
  defineBinding({
    name: "redis",
    status: "stable",
    summary: "Stores.",
    metadata: {
      redisHost: string({ description: "Host.", required: true }),
      redisPassword: string({ description: "Password.", sensitive: true }),
      redisDB: integer({ description: "Database.", default: "0" }),
      enableTLS: bool({ description: "TLS." }),
    },
    open,
    operations: { create },
  }),
  defineBinding({
    name: "kafka",
    aliases: ["rocket"],
    status: "stable",
    summary: "Streams.",
    metadata: {
      brokers: string({ description: "Brokers.", required: true }),
      topics: string({ description: "Topics.", direction: "input" }),
      publishTopic: string({ description: "Topic.", direction: "output" }),
    },
    open,
    operations: { create },
    read: () => ({ stop() {}, flush() {}, close() {} }),
  }),
  defineBinding({
    name: "timer",
    status: "stable",
    summary: "Ticks.",
    metadata: {},
    open,
    read: () => ({ stop() {}, flush() {}, close() {} }),
  }),
  defineBinding({
    name: "page",
    status: "stable",
    summary: "Asks a server; in Dapr it is an output only.",
    metadata: {
      url: string({ description: "Address.", required: true }),
      interval: string({ description: "Pause.", direction: "input", required: true }),
    },
    open,
    operations: { create },
    read: () => ({ stop() {}, flush() {}, close() {} }),
    inputIsOptional: true,
  }),
];

export async function load(
  path: string,
  options: Partial<ResourceOptions> = {},
): ReturnType<typeof loadResources> {
  return loadResources({
    paths: [path],
    appId: "shop",
    env: {},
    bindings,
    frameworkFields: componentFields,
    ...options,
  });
}

/** Loads and lints. */
export async function check(
  path: string,
  options: Partial<ResourceOptions> = {},
): Promise<ResourceProblem[]> {
  const { components, problems } = await load(path, options);
  return [...problems, ...(await lint(components, bindings, { frameworkFields: componentFields }))];
}

/** Problems in short: `a.yaml:3:4 error: text`. */
export function brief(problems: readonly ResourceProblem[], path: string): string[] {
  return problems.map(
    (one) =>
      `${one.file.replace(`${path}/`, "")}:${one.line}:${one.column} ${one.severity}: ${describe(one)}`,
  );
}

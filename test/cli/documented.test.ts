import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import type { Field, Fields } from "../../src/metadata/fields.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";
import { cufflinkHere } from "./in-process.ts";

/** The fields, as they are spelt, of a component that Dapr's documentation, quickstarts, samples or tests show. */
type Documented = {
  readonly from: readonly string[];
  readonly type: string;
  readonly fields: readonly string[];
};

const documented = JSON.parse(
  readFileSync(join(import.meta.dirname, "documented.json"), "utf8"),
) as readonly Documented[];

/** Values that no declaration gives an example of, by type and field. */
const values: Readonly<Record<string, string>> = {
  "bindings.apns private-key": pem(generateKeyPairSync("ec", { namedCurve: "P-256" })),
  "bindings.cloudflare.queues key": pem(generateKeyPairSync("ed25519")),
  "bindings.postgres direction": "output",
  "bindings.postgresql direction": "output",
};

/** What is found all the same, by a part of the text, and why that is right. */
const exceptions: readonly {
  readonly type: string;
  readonly finding: string;
  readonly reason: string;
}[] = [
  {
    type: "azure.eventhubs",
    finding: "storageAccountName is required to subscribe",
    reason: "daprd refuses an input without a place for its checkpoints, too",
  },
  {
    type: "azure.eventhubs",
    finding: "only one of connectionString or eventHubNamespace",
    reason: "the page shows all fields at one time; daprd refuses the two together, too",
  },
  {
    type: "kitex",
    finding: "is known, and not built",
    reason: "no client for Node is kept; the finding names the pluggable road",
  },
  {
    type: "rethinkdb.statechange",
    finding: '"table" is required',
    reason: "Dapr's own list of fields requires it, and without it the driver's query fails",
  },
  {
    type: "twitter",
    finding: "is not known",
    reason: "Dapr itself has removed the type, and its sample with it",
  },
];

function pem({ privateKey }: { readonly privateKey: KeyObject }): string {
  return privateKey.export({ type: "pkcs8", format: "pem" });
}

function fieldOf(binding: AnyBinding | undefined, name: string): Field | undefined {
  const all: Fields = { ...componentFields, ...(binding?.metadata as Fields | undefined) };
  const wanted = name.toLowerCase();
  return Object.entries(all).find(([own, { aliases }]) =>
    [own, ...aliases].some((one) => one.toLowerCase() === wanted),
  )?.[1];
}

function valueOf(binding: AnyBinding | undefined, type: string, name: string): string {
  const own = values[`${type} ${name}`] ?? values[name];
  if (own !== undefined) return own;
  const field = fieldOf(binding, name);
  if (field === undefined) return "x";
  const { example, allowed, kind } = field;
  const usual = { bool: "true", integer: "5", number: "1.5", duration: "5s", byteSize: "1Mi" };
  return example ?? allowed?.[0] ?? field.default ?? usual[kind as keyof typeof usual] ?? "shop";
}

function bindingOf(type: string): AnyBinding | undefined {
  const wanted = type.replace(/^bindings\./, "").toLowerCase();
  return bindings.find(({ name, aliases = [] }) => [name, ...aliases].includes(wanted));
}

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-documented-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function findings({ type, fields }: Documented, index: number): Promise<string[]> {
  const binding = bindingOf(type);
  const metadata = fields.map((name) => ({ name, value: valueOf(binding, type, name) }));
  const file = join(folder, `${index}.yaml`);
  const document = {
    ...{ apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name: "orders" } },
    spec: { type, version: "v1", metadata },
  };
  await writeFile(file, JSON.stringify(document));
  const { stdout } = await cufflinkHere(["check", "--json", "--no-secrets", file]);
  const { problems } = JSON.parse(stdout) as {
    problems: { severity: string; message: string }[];
  };
  return problems.filter(({ severity }) => severity === "error").map(({ message }) => message);
}

test("each component that Dapr's pages and tests show is accepted, but for these", async () => {
  const found: string[] = [];
  const used = new Set<object>();
  for (const [index, one] of documented.entries())
    for (const message of await findings(one, index)) {
      const known = exceptions.find(
        ({ type, finding }) => one.type === `bindings.${type}` && message.includes(finding),
      );
      if (known === undefined) found.push(`${one.type} (${one.fields.join(", ")}): ${message}`);
      else used.add(known);
    }
  expect(found).toEqual([]);
  expect(exceptions.filter((one) => !used.has(one))).toEqual([]);
});

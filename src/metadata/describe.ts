import { installCommand, type DriverVersions } from "../drivers.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { writtenName } from "./fields.ts";
import type { Field, FieldKind, Fields } from "./fields.ts";

/** The part of a binding's declaration that is described. */
export type Described = {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly status: "stable" | "beta" | "alpha";
  readonly summary: string;
  readonly drivers?: DriverVersions;
  readonly metadata: Fields;
  readonly example?: Readonly<Record<string, string>>;
  readonly operations?: Readonly<Record<string, DescribedOperation>>;
  /** Present: it is an input. */
  readonly read?: unknown;
  readonly eventMetadata?: Readonly<Record<string, string>>;
  readonly guarantee?: DescribedGuarantee;
  readonly inputIsOptional?: boolean;
};

/** The part of a secret store's declaration that is described. */
export type DescribedStore = Pick<
  Described,
  "name" | "status" | "summary" | "drivers" | "metadata" | "example"
> & {
  readonly isRemote?: true;
  readonly provedBy?: readonly string[];
};

type DescribedGuarantee = {
  readonly returned: string;
  readonly atLeastOnce: string;
  readonly key?: string;
  readonly duplicates: { readonly app: string; readonly runtime: string; readonly server: string };
  readonly shared?: boolean | string;
  readonly lossy?: boolean;
};

type DescribedOperation = {
  readonly description: string;
  readonly request: Fields;
  readonly answerMetadata?: Readonly<Record<string, string>>;
  // Some requests of an operation may be repeated and others not: a function tells.
  readonly idempotent?: boolean | ((request: never) => boolean);
};

/** A JSON value. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * The JSON Schema (2020-12) of a component's metadata as an object of properties. Each value may be written
 * as the YAML scalar that reads naturally or as a text; names match in any case, which no schema can say.
 */
export function jsonSchema(binding: Described): Json {
  const all = Object.entries(binding.metadata);
  const fields = all.filter(([, { prefix }]) => prefix === undefined);
  const byPrefix = all.flatMap(([, field]): [string, Json][] =>
    field.prefix === undefined
      ? []
      : [[`^${field.prefix.replaceAll(/[^\w:-]/g, "\\$&")}.`, fieldSchema(field)]],
  );
  // A field of one direction only may be left out when that direction is.
  const required = fields.filter(([, field]) => field.required && field.direction === undefined);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `bindings.${binding.name}`,
    description: binding.summary,
    type: "object",
    properties: Object.fromEntries(fields.flatMap(([name, field]) => propertySchemas(name, field))),
    ...(byPrefix.length === 0 ? {} : { patternProperties: Object.fromEntries(byPrefix) }),
    ...(required.length === 0
      ? {}
      : { allOf: required.map(([name, field]) => presence(name, field)) }),
    additionalProperties: false,
  };
}

function propertySchemas(name: string, field: Field): [string, Json][] {
  const schema = fieldSchema(field);
  const aliases = field.aliases.map((alias): [string, Json] => [
    alias,
    Object.assign({}, schema, { deprecated: true }),
  ]);
  return [[name, schema], ...aliases];
}

function presence(name: string, { aliases }: Field): Json {
  const names = [name, ...aliases].map((one) => ({ required: [one] }));
  return names.length === 1 ? { required: [name] } : { anyOf: names };
}

const schemaTypes: Readonly<Record<FieldKind, readonly string[]>> = {
  string: ["string", "number", "boolean"],
  bool: ["boolean", "string", "integer"],
  integer: ["integer", "string"],
  number: ["number", "string"],
  duration: ["string", "integer"],
  byteSize: ["string", "integer"],
  list: ["string", "number"],
  oneOf: ["string"],
};

function fieldSchema(field: Field): { readonly [key: string]: Json } {
  return {
    type: schemaTypes[field.kind],
    description: field.description,
    ...(field.allowed === undefined ? {} : { enum: field.allowed }),
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(field.example === undefined ? {} : { examples: [field.example] }),
    ...(field.sensitive ? { writeOnly: true } : {}),
    ...(field.deprecated === undefined ? {} : { deprecated: true }),
  };
}

const daprTypes: Readonly<Record<FieldKind, string>> = {
  string: "string",
  bool: "bool",
  integer: "number",
  number: "number",
  duration: "duration",
  byteSize: "bytesize",
  list: "string",
  oneOf: "string",
};

/** The object of a `metadata.yaml` as Dapr's tools read it: schema version v1. */
export function daprMetadata(binding: Described): Json {
  const output = binding.operations !== undefined;
  return {
    schemaVersion: "v1",
    type: "bindings",
    name: binding.name,
    version: "v1",
    status: binding.status,
    title: binding.name,
    description: binding.summary,
    urls: [],
    binding: {
      ...(binding.read === undefined ? {} : { input: true }),
      ...(output ? { output: true } : {}),
      operations: Object.entries(binding.operations ?? {}).map(([name, { description }]) => ({
        name,
        description,
      })),
    },
    metadata: Object.entries(binding.metadata).map(([name, field]) => daprField(name, field)),
  };
}

/** The same of a secret store. */
export function daprStoreMetadata({ name, status, summary, metadata }: DescribedStore): Json {
  return {
    ...{ schemaVersion: "v1", type: "secretstores", name, version: "v1", status },
    ...{ title: name, description: summary, urls: [] },
    metadata: Object.entries(metadata).map(([field, declared]) => daprField(field, declared)),
  };
}

function daprField(name: string, field: Field): Json {
  return {
    name: writtenName(name, field),
    description: field.description,
    type: daprTypes[field.kind],
    ...(field.required ? { required: true } : {}),
    ...(field.sensitive ? { sensitive: true } : {}),
    ...(field.default === undefined ? {} : { default: field.default }),
    // Dapr's schema wants one of every field.
    example: field.example ?? field.default ?? field.allowed?.[0] ?? "",
    ...(field.allowed === undefined ? {} : { allowedValues: field.allowed }),
    ...(field.direction === undefined ? {} : { binding: { [field.direction]: true } }),
    ...(field.deprecated === undefined ? {} : { deprecated: true }),
  };
}

/**
 * The reference of a binding in Markdown: type, directions, its fields and its operations. No heading of level 1.
 * `systems`: what it was tested with, as `PostgreSQL 15.14 (real)`.
 */
export function markdownReference(binding: Described, systems: readonly string[] = []): string {
  const aliases = (binding.aliases ?? []).map((alias) => `\`bindings.${alias}\``);
  const directions = directionsOf(binding).join(" and ");
  const facts = [
    `- Type: \`bindings.${binding.name}\`${aliases.length === 0 ? "" : `, also ${aliases.join(", ")}`}`,
    `- Direction: ${directions}`,
    `- Status: ${binding.status}`,
    ...(binding.drivers === undefined
      ? []
      : [`- Driver, which you install: \`${installCommand(binding.drivers, undefined)}\``]),
  ];
  if (systems.length > 0) facts.push(`- Tested with: ${systems.join(", ")}`);
  if (binding.inputIsOptional)
    facts.push("- Without the metadata `direction` it is an output only, as in Dapr");
  const operations = Object.entries(binding.operations ?? {});
  const parts = [
    binding.summary,
    facts.join("\n"),
    ...(binding.guarantee === undefined ? [] : [inputGuarantee(binding.guarantee)]),
    ...(binding.eventMetadata === undefined
      ? []
      : ["Metadata of events:", markdownNames(binding.eventMetadata)]),
    "## Metadata",
    markdownFields(binding.metadata),
  ];
  if (operations.length > 0) parts.push("## Operations");
  for (const [name, operation] of operations) {
    parts.push(`### \`${name}\``, operation.description);
    if (operation.idempotent) parts.push("Idempotent.");
    if (Object.keys(operation.request).length > 0) {
      parts.push("Request metadata (names are case-sensitive):", markdownFields(operation.request));
    }
    if (operation.answerMetadata !== undefined)
      parts.push("Metadata of the answer:", markdownNames(operation.answerMetadata));
  }
  return `${parts.join("\n\n")}\n`;
}

/** The reference of a secret store in Markdown: type, where it is, its fields. No heading of level 1. */
export function markdownStoreReference(store: DescribedStore): string {
  const { name, status, summary, isRemote, drivers, provedBy = [], metadata } = store;
  const facts = [
    `- Type: \`secretstores.${name}\``,
    isRemote
      ? "- Remote: each secret is read once a load, and again by `refreshInterval`"
      : "- Local: a secret is read anew whenever it is needed",
    `- Status: ${status}`,
    ...(drivers === undefined
      ? []
      : [`- Driver, which you install: \`${installCommand(drivers, undefined)}\``]),
    ...(provedBy.length === 0 ? [] : [`- Tested with: ${provedBy.join(", ")}`]),
  ];
  return `${[summary, facts.join("\n"), "## Metadata", markdownFields(metadata)].join("\n\n")}\n`;
}

function inputGuarantee({ returned, atLeastOnce, key, shared, lossy }: DescribedGuarantee): string {
  const facts = [
    lossy ? `- Lossy: ${atLeastOnce}` : `- Events are delivered at least once while ${atLeastOnce}`,
    key === undefined ? "- No order is promised" : `- Events are handled in order by key: ${key}`,
    `- An event that is returned ${returned}`,
    ...(shared === undefined
      ? []
      : [`- Replicas of an app that read it: ${betweenReplicas(shared)}`]),
  ];
  return `As an input:\n\n${facts.join("\n")}`;
}

function betweenReplicas(shared: boolean | string): string {
  if (typeof shared === "string") return `share its events ${shared}; else each gets all`;
  return shared ? "share its events" : "each gets all; see `singleton`";
}

/** What each input promises. Lines of a table. */
export function markdownGuarantees(bindings: readonly Described[]): string {
  const rows = bindings.flatMap(({ name, guarantee }) => {
    if (guarantee === undefined) return [];
    const { returned, atLeastOnce, key, duplicates, shared, lossy } = guarantee;
    const { app, runtime, server } = duplicates;
    const delivered = lossy ? `lossy: ${atLeastOnce}` : atLeastOnce;
    const replicas = shared === undefined ? "" : betweenReplicas(shared);
    return [[`\`${name}\``, delivered, key ?? "none", returned, app, runtime, server, replicas]];
  });
  return markdownTable(
    [
      ...["Input", "At least once while", "Order by", "A returned event"],
      ...["Twice after a fault of the app", "of the runtime", "of the server or its connection"],
      "Replicas",
    ],
    rows,
  );
}

/** Which directions a binding has. */
export function directionsOf(
  binding: Pick<Described, "read" | "operations">,
): ("input" | "output")[] {
  return [
    ...(binding.read === undefined ? [] : (["input"] as const)),
    ...(binding.operations === undefined ? [] : (["output"] as const)),
  ];
}

/** A table of fields; a sentence when there are none. */
export function markdownFields(fields: Fields): string {
  const rows = Object.entries(fields).map(([name, field]) => [
    [writtenName(name, field), ...field.aliases].map((one) => `\`${one}\``).join(", "),
    kindNames[field.kind],
    field.required ? "required" : defaultOf(field),
    sentences(field),
  ]);
  if (rows.length === 0) return "None.";
  return markdownTable(["Field", "Type", "Default", "Description"], rows);
}

function markdownNames(names: Readonly<Record<string, string>>): string {
  const rows = Object.entries(names).map(([name, description]) => [`\`${name}\``, description]);
  return markdownTable(["Name", "What"], rows);
}

/** A Markdown table. `|` and newlines in cells are taken care of. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

const kindNames: Readonly<Record<FieldKind, string>> = {
  string: "text",
  bool: "true or false",
  integer: "integer",
  number: "number",
  duration: "duration",
  byteSize: "size",
  list: "list",
  oneOf: "one of",
};

function defaultOf(field: Field): string {
  if (field.default === undefined || field.default === "") return "";
  const milliseconds =
    field.kind === "duration" ? parseDuration(field.default, Number.NaN) : undefined;
  return code(milliseconds === undefined ? field.default : formatDuration(milliseconds));
}

function sentences(field: Field): string {
  const parts = [field.description];
  if (field.allowed !== undefined) parts.push(`${field.allowed.map(code).join(", ")}.`);
  if (field.direction !== undefined) parts.push(`Only for ${field.direction}.`);
  if (field.example !== undefined) parts.push(`Example: ${code(field.example)}.`);
  if (field.sensitive) parts.push("Secret.");
  if (field.deprecated !== undefined) parts.push(`**Deprecated**: ${field.deprecated}.`);
  return parts.join(" ");
}

function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

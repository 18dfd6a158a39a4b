import type { Type } from "avsc";
import { boundedText } from "../../memory/bounded-text.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { KafkaMetadata } from "./fields.ts";

/** Writes JSON as Avro, framed as schema registries have it: a zero byte, the schema's id, the value. */
export type AvroEncoder = (topic: string, json: Uint8Array) => Promise<Buffer>;

type Schema = { readonly id: number; readonly type: Type; readonly until: number };

/** An encoder for the latest schema of `<topic>-value` in the component's registry. */
export function avroEncoder(metadata: KafkaMetadata): AvroEncoder {
  const kept = new Map<string, Schema>();
  return async (topic, json) => {
    const subject = `${topic}-value`;
    let schema = kept.get(subject);
    if (schema === undefined || Date.now() >= schema.until) {
      schema = await latest(subject, metadata);
      if (metadata.schemaCachingEnabled) kept.set(subject, schema);
    }
    return encode(subject, schema, json, metadata.useAvroJSON);
  };
}

/** Of the registry, in bytes. */
const largestAnswer = 4 * 1024 * 1024;

async function latest(subject: string, metadata: KafkaMetadata): Promise<Schema> {
  const {
    schemaRegistryURL: url,
    schemaRegistryAPIKey: user,
    schemaRegistryAPISecret: password,
  } = metadata;
  if (!url)
    throw failed(
      "failed_precondition",
      "schemaRegistryURL is not set, and valueSchemaType avro needs it",
    );
  let answer: unknown;
  let status: number;
  try {
    const response = await fetch(
      `${url.replace(/\/+$/, "")}/subjects/${encodeURIComponent(subject)}/versions/latest`,
      {
        headers: {
          accept: "application/vnd.schemaregistry.v1+json, application/json",
          ...(user
            ? {
                authorization: `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}`,
              }
            : {}),
        },
        signal: AbortSignal.timeout(10_000),
      },
    );
    status = response.status;
    answer = JSON.parse(await boundedText(response.body, largestAnswer));
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw failed(
      "unavailable",
      `no schema for ${subject} from the schema registry: ${messageOf(cause)}`,
      "unsent",
    );
  }
  const {
    id,
    schema,
    schemaType = "AVRO",
    message,
  } = (answer ?? {}) as {
    id?: number;
    schema?: string;
    schemaType?: string;
    message?: string;
  };
  if (status === 404) throw failed("not_found", `the schema registry has no subject ${subject}`);
  if (status !== 200 || id === undefined || schema === undefined) {
    throw failed(
      status === 401 ? "unauthenticated" : "unavailable",
      `no schema for ${subject} from the schema registry: ${message ?? `HTTP ${status}`}`,
      "unsent",
    );
  }
  if (schemaType !== "AVRO")
    throw failed("failed_precondition", `the schema of ${subject} is ${schemaType}, not Avro`);
  const { default: avro } = await import("avsc");
  try {
    const type = avro.Type.forSchema(JSON.parse(schema), { wrapUnions: true });
    return { id, type, until: Date.now() + Math.max(0, metadata.schemaLatestVersionCacheTTL) };
  } catch (error) {
    throw failed(
      "failed_precondition",
      `the schema of ${subject} cannot be read: ${messageOf(error)}`,
    );
  }
}

function encode(subject: string, { id, type }: Schema, json: Uint8Array, wrapped: boolean): Buffer {
  let body: Buffer;
  try {
    const value: unknown = JSON.parse(Buffer.from(json).toString("utf8"));
    body = type.toBuffer(
      type.fromString(
        JSON.stringify(wrapped ? value : wrap(value, type.schema({ exportAttrs: true }))),
      ),
    );
  } catch (error) {
    throw failed(
      "invalid_argument",
      `the data does not fit the schema of ${subject}: ${messageOf(error)}`,
    );
  }
  const head = Buffer.alloc(5);
  head.writeInt32BE(id, 1);
  return Buffer.concat([head, body]);
}

type Shape = string | readonly Shape[] | { [key: string]: unknown; type: Shape };

/** Plain JSON as Avro's own: the value of a union gets the name of the first branch that it fits. */
function wrap(value: unknown, schema: unknown, names = new Map<string, unknown>()): unknown {
  if (typeof schema === "string")
    return names.has(schema) ? wrap(value, names.get(schema), names) : value;
  if (Array.isArray(schema)) {
    if (value === null || value === undefined) return null;
    const branch: unknown = schema.find((one) => fits(value, one, names));
    return branch === undefined ? value : { [nameOf(branch)]: wrap(value, branch, names) };
  }
  if (typeof schema !== "object" || schema === null) return value;
  const { type, name, fields, items, values } = schema as {
    type: Shape;
    name?: string;
    fields?: { name: string; type: unknown }[];
    items?: unknown;
    values?: unknown;
  };
  if (name !== undefined) names.set(name, schema);
  if (fields !== undefined && isObject(value)) {
    const known = Object.fromEntries(
      fields
        .filter((field) => field.name in value)
        .map((field) => [field.name, wrap(value[field.name], field.type, names)]),
    );
    return { ...value, ...known };
  }
  if (items !== undefined && Array.isArray(value))
    return value.map((one) => wrap(one, items, names));
  if (values !== undefined && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, wrap(one, values, names)]),
    );
  }
  return typeof type === "string" ? value : wrap(value, type, names);
}

function fits(value: unknown, schema: unknown, names: Map<string, unknown>): boolean {
  const resolved = typeof schema === "string" && names.has(schema) ? names.get(schema) : schema;
  const kind: unknown = isObject(resolved) ? resolved["type"] : resolved;
  switch (kind) {
    case "null":
      return value === null;
    case "boolean":
      return typeof value === "boolean";
    case "int":
      return Number.isInteger(value) && value === (Number(value) | 0);
    case "long":
      return Number.isInteger(value);
    case "float":
    case "double":
      return typeof value === "number";
    case "string":
    case "bytes":
    case "fixed":
      return typeof value === "string";
    case "enum":
      return (
        isObject(resolved) &&
        Array.isArray(resolved["symbols"]) &&
        resolved["symbols"].includes(value)
      );
    case "array":
      return Array.isArray(value);
    case "map":
      return isObject(value);
    case "record": {
      const fields = isObject(resolved)
        ? (resolved["fields"] as { name: string; default?: unknown }[])
        : [];
      return isObject(value) && fields.every((field) => field.name in value || "default" in field);
    }
    default:
      return false;
  }
}

function nameOf(schema: unknown): string {
  if (!isObject(schema)) return String(schema);
  return typeof schema["name"] === "string" ? schema["name"] : String(schema["type"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function failed(
  reason:
    | "failed_precondition"
    | "invalid_argument"
    | "not_found"
    | "unauthenticated"
    | "unavailable",
  message: string,
  effect: "rejected" | "unsent" = "rejected",
): BindingError {
  return new BindingError(reason, `kafka error: ${message}`, { effect });
}

import { fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import type { DescMessage, JsonValue, Registry } from "@bufbuild/protobuf";
import { BindingError, messageOf } from "../../errors.ts";

export type JsonOptions = {
  readonly ignoreUnknownFields: boolean;
  readonly useProtoFieldNames: boolean;
  readonly emitDefaults: boolean;
};

/** Makes a message of its JSON; no data is one without fields. Throws a `BindingError`. */
export function encodeRequest(
  message: DescMessage,
  data: Uint8Array | undefined,
  registry: Registry,
  { ignoreUnknownFields }: JsonOptions,
): Uint8Array {
  const json = parseJson(message, data);
  try {
    return toBinary(message, fromJson(message, json, { registry, ignoreUnknownFields }));
  } catch (error) {
    throw refused(`the data are no ${message.typeName}: ${messageOf(error)}`, error);
  }
}

/** Writes a message as JSON text. Throws a `BindingError`: the call was done, yet what it answered cannot be told. */
export function decodeAnswer(
  message: DescMessage,
  bytes: Uint8Array,
  registry: Registry,
  { useProtoFieldNames, emitDefaults }: JsonOptions,
): string {
  try {
    const options = { registry, useProtoFieldName: useProtoFieldNames };
    const json = toJson(message, fromBinary(message, bytes), {
      ...options,
      alwaysEmitImplicit: emitDefaults,
    });
    return JSON.stringify(json);
  } catch (error) {
    const text = `grpc: the answer cannot be written as ${message.typeName}: ${messageOf(error)}`;
    throw new BindingError("internal", text, { effect: "ambiguous", cause: error });
  }
}

function parseJson(message: DescMessage, data: Uint8Array | undefined): JsonValue {
  if (data === undefined || data.length === 0) return {};
  let lost: string | undefined;
  const keepsDigits = !hasFreeNumbers(message);
  const revive = (_name: string, value: unknown, { source }: { source?: string }): unknown => {
    const isInteger = typeof value === "number" && /^-?\d+$/.test(source ?? "");
    if (!isInteger || Number.isSafeInteger(value)) return value;
    // The JSON mapping reads 64 bits from a text as well, which keeps their digits.
    if (keepsDigits) return source;
    lost ??= source;
    return value;
  };
  let json: JsonValue;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    json = JSON.parse(text, revive as (name: string, value: unknown) => unknown) as JsonValue;
  } catch {
    throw refused("the data are no JSON");
  }
  if (lost === undefined) return json;
  const digits = lost.length > 40 ? `${lost.slice(0, 40)}…` : lost;
  throw refused(
    `the data have the number ${digits}, which loses digits; write it as a JSON string`,
  );
}

const free = new WeakMap<DescMessage, boolean>();

/** Whether a JSON number in it may be one of JSON itself, or of a message that is not known yet. */
function hasFreeNumbers(message: DescMessage): boolean {
  let found = free.get(message);
  if (found === undefined) free.set(message, (found = reaches(message, freeTypes)));
  return found;
}

const freeTypes = new Set([
  ...["google.protobuf.Value", "google.protobuf.Struct", "google.protobuf.ListValue"],
  "google.protobuf.Any",
]);

function reaches(message: DescMessage, types: ReadonlySet<string>): boolean {
  const seen = new Set([message]);
  for (const one of seen) {
    if (types.has(one.typeName)) return true;
    for (const field of one.fields) if (field.message !== undefined) seen.add(field.message);
  }
  return false;
}

function refused(text: string, cause?: unknown): BindingError {
  return new BindingError("invalid_argument", `grpc: ${text}`, { cause });
}

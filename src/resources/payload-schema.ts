import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { SchemaTypes } from "../generate/shape.ts";
import type { Json } from "../metadata/describe.ts";

/** A JSON Schema that a component names, and which part of it. */
export type PayloadSchema = { readonly document: Json; readonly pointer: string };

/**
 * Reads what the metadata `schema` names: `order.json`, or `shop.json#/$defs/Order`. A relative path starts at the
 * component's file. Throws an `Error` that says what is wrong.
 */
export function readPayloadSchema(text: string, componentFile: string): PayloadSchema {
  const [path = "", pointer = ""] = text.split("#");
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path))
    throw new Error(
      `${path} is an address, and schemas are read from files: save it beside the component`,
    );
  const content = readFileSync(resolve(dirname(componentFile), path), "utf8");
  let document: unknown;
  try {
    document = JSON.parse(content);
  } catch (thrown) {
    throw new Error(`${path} is no JSON: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new Error(`${path} is no JSON Schema: it must be an object`);
  return { document: document as Json, pointer };
}

/** What is wrong with it, so that no client could be generated from it, if anything is. */
export function payloadSchemaProblem(text: string, componentFile: string): string | undefined {
  try {
    const { document, pointer } = readPayloadSchema(text, componentFile);
    new SchemaTypes(document, (wanted) => wanted).root("Payload", pointer);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

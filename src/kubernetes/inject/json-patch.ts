import { isObject, isSame, type Json, type JsonObject } from "./json.ts";

/** Of RFC 6902. */
export type PatchOperation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string };

/** What makes `after` of `before`: applied in this order. */
export function jsonPatch(before: JsonObject, after: JsonObject): PatchOperation[] {
  const operations: PatchOperation[] = [];
  compareObjects(before, after, "", operations);
  return operations;
}

function compare(before: Json, after: Json, path: string, operations: PatchOperation[]): void {
  if (isSame(before, after)) return;
  if (isObject(before) && isObject(after)) compareObjects(before, after, path, operations);
  else if (Array.isArray(before) && Array.isArray(after))
    compareLists(before, after, path, operations);
  else operations.push({ op: "replace", path, value: after });
}

function compareObjects(
  before: JsonObject,
  after: JsonObject,
  path: string,
  operations: PatchOperation[],
): void {
  for (const [name, value] of Object.entries(before)) {
    const at = `${path}/${escape(name)}`;
    const then = Object.hasOwn(after, name) ? after[name] : undefined;
    if (then === undefined) operations.push({ op: "remove", path: at });
    else compare(value, then, at, operations);
  }
  for (const [name, value] of Object.entries(after)) {
    if (Object.hasOwn(before, name)) continue;
    operations.push({ op: "add", path: `${path}/${escape(name)}`, value });
  }
}

/** What is the same at the begin and at the end stays; what is between is compared in its order. */
function compareLists(
  before: readonly Json[],
  after: readonly Json[],
  path: string,
  operations: PatchOperation[],
): void {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isSame(before[head], after[head])) head++;
  let tail = 0;
  while (tail < shorter - head && isSame(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const old = before.slice(head, before.length - tail);
  const fresh = after.slice(head, after.length - tail);
  const both = Math.min(old.length, fresh.length);
  for (let index = 0; index < both; index++)
    compare(old[index] ?? null, fresh[index] ?? null, `${path}/${head + index}`, operations);
  for (let index = old.length - 1; index >= both; index--)
    operations.push({ op: "remove", path: `${path}/${head + index}` });
  for (const [index, value] of fresh.slice(both).entries())
    operations.push({ op: "add", path: `${path}/${head + both + index}`, value });
}

function escape(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The names and indexes of a path. */
export function pathOf(path: string): string[] {
  return path
    .split("/")
    .slice(1)
    .map((one) => one.replaceAll("~1", "/").replaceAll("~0", "~"));
}

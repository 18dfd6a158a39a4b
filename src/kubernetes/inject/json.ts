/** JSON as Kubernetes' objects are made of. */
export type Json = string | number | boolean | null | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objectAt(object: JsonObject, name: string): JsonObject | undefined {
  const value = object[name];
  return isObject(value) ? value : undefined;
}

/** The objects of a list; empty where there is none. */
export function objectsAt(object: JsonObject, name: string): JsonObject[] {
  const value = object[name];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textAt(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Its `name`; empty where it has none. */
export function nameOf(object: JsonObject): string {
  return textAt(object, "name") ?? "";
}

/** The list of that name, made where there is none. */
export function listIn(object: JsonObject, name: string): Json[] {
  const value = object[name];
  if (Array.isArray(value)) return value;
  const made: Json[] = [];
  object[name] = made;
  return made;
}

/** The mapping of that name, made where there is none. */
export function objectIn(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  if (isObject(value)) return value;
  const made: JsonObject = {};
  object[name] = made;
  return made;
}

/** Whether both are the same JSON, whatever the order of names. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (Array.isArray(one))
    return (
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, index) => isSame(item, other[index]))
    );
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  );
}

/** A copy of which no part is shared: what YAML's aliases name is in one object twice. */
export function copyOf(object: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(object)) as JsonObject;
}

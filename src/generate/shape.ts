import type { Json } from "../metadata/describe.ts";

/** A type of a payload, in what TypeScript and Python both have. */
export type Shape =
  | { readonly kind: "any" | "never" | "text" | "integer" | "number" | "boolean" | "null" }
  | { readonly kind: "literal"; readonly values: readonly (string | number | boolean | null)[] }
  | { readonly kind: "list"; readonly item: Shape }
  | { readonly kind: "tuple"; readonly items: readonly Shape[] }
  | { readonly kind: "map"; readonly value: Shape }
  | { readonly kind: "union"; readonly members: readonly Shape[] }
  | { readonly kind: "named"; readonly name: string };

/** An object type with a name of its own. */
export type NamedShape = {
  readonly name: string;
  readonly description: string | undefined;
  /** `undefined`: the name is another word for `is`. */
  readonly fields: readonly ShapeField[] | undefined;
  /** Further properties may be there, with these values. `undefined`: none. */
  readonly others: Shape | undefined;
  readonly is: Shape | undefined;
};

export type ShapeField = {
  readonly name: string;
  readonly description: string | undefined;
  readonly shape: Shape;
  readonly required: boolean;
};

type JsonObject = { readonly [key: string]: Json };

/** What a schema says that no type can be made of. The message names the place in it. */
export class UnusableSchema extends Error {}

/**
 * Turns a JSON Schema into named types: `root` and one for each object within. `nameOf` makes names unique. Limits of
 * values and conditions have no type, and are passed over; each type takes at least what the schema does.
 */
export class SchemaTypes {
  readonly #document: Json;
  readonly #nameOf: (wanted: string) => string;
  readonly #named = new Map<string, NamedShape | undefined>();
  readonly #byPointer = new Map<string, string>();

  constructor(document: Json, nameOf: (wanted: string) => string) {
    this.#document = document;
    this.#nameOf = nameOf;
  }

  /** The type of the whole document, by a name that begins so. */
  root(wanted: string, pointer = ""): Shape {
    return { kind: "named", name: this.#nameAt(pointer, wanted) };
  }

  /** In the order in which they were first met. */
  get types(): readonly NamedShape[] {
    return [...this.#named.values()].flatMap((one) => one ?? []);
  }

  #nameAt(pointer: string, wanted: string): string {
    const known = this.#byPointer.get(pointer);
    if (known !== undefined) return known;
    const name = this.#nameOf(wanted);
    this.#byPointer.set(pointer, name);
    this.#define(name, this.#at(pointer), pointer);
    return name;
  }

  #define(name: string, schema: Json, pointer: string): void {
    // Its place in the order, and an end for types that hold themselves.
    this.#named.set(name, undefined);
    const description = isObject(schema) ? textAt(schema, "description") : undefined;
    const merged = this.#merged(schema, pointer);
    if (merged !== undefined && hasProperties(merged.schema)) {
      this.#named.set(name, { name, description, is: undefined, ...this.#fields(merged, name) });
      return;
    }
    const is = this.#shape(schema, pointer, name);
    this.#named.set(name, { name, description, fields: undefined, others: undefined, is });
  }

  #shape(schema: Json, pointer: string, within: string): Shape {
    if (schema === true) return { kind: "any" };
    if (schema === false) return { kind: "never" };
    if (!isObject(schema)) throw new UnusableSchema(`${place(pointer)} is no schema`);
    const reference = schema["$ref"];
    if (typeof reference === "string") return this.#referred(reference, pointer, within);
    if ("const" in schema) return literal([schema["const"] ?? null]);
    if (Array.isArray(schema["enum"])) return literal(schema["enum"] as readonly Json[]);
    for (const key of ["anyOf", "oneOf"]) {
      const members = schema[key];
      if (Array.isArray(members) && !hasProperties(schema))
        return union(
          (members as readonly Json[]).map((one, index) =>
            this.#shape(one, `${pointer}/${key}/${index}`, within),
          ),
        );
    }
    const merged = this.#merged(schema, pointer);
    const whole = merged?.schema ?? schema;
    const types = Array.isArray(whole["type"])
      ? (whole["type"] as readonly Json[])
      : [whole["type"]];
    return union(types.map((type) => this.#ofType(type, whole, pointer, within)));
  }

  #ofType(type: Json | undefined, schema: JsonObject, pointer: string, within: string): Shape {
    if (type === "string") return { kind: "text" };
    if (type === "integer" || type === "number" || type === "boolean" || type === "null")
      return { kind: type };
    if (type === "array" || (type === undefined && ("items" in schema || "prefixItems" in schema)))
      return this.#array(schema, pointer, within);
    if (type === "object" || (type === undefined && hasProperties(schema))) {
      if (hasProperties(schema)) {
        const known = this.#byPointer.get(pointer);
        if (known !== undefined) return { kind: "named", name: known };
        const name = this.#nameOf(within);
        this.#byPointer.set(pointer, name);
        this.#define(name, this.#at(pointer), pointer);
        return { kind: "named", name };
      }
      const others = schema["additionalProperties"];
      const value = isSchema(others)
        ? this.#shape(others, `${pointer}/additionalProperties`, `${within}Value`)
        : ({ kind: "any" } as const);
      return { kind: "map", value };
    }
    return { kind: "any" };
  }

  #array(schema: JsonObject, pointer: string, within: string): Shape {
    const key = "prefixItems" in schema ? "prefixItems" : "items";
    const items = schema[key];
    if (Array.isArray(items)) {
      const isClosed =
        key === "prefixItems" ? schema["items"] === false : schema["additionalItems"] === false;
      const shapes = (items as readonly Json[]).map((one, index) =>
        this.#shape(one, `${pointer}/${key}/${index}`, `${within}Item`),
      );
      // All of them must be there, or a tuple would refuse what the schema takes.
      if (isClosed && schema["minItems"] === items.length) return { kind: "tuple", items: shapes };
      return { kind: "list", item: isClosed ? union(shapes) : { kind: "any" } };
    }
    const item: Shape =
      items === undefined
        ? { kind: "any" }
        : this.#shape(items, `${pointer}/items`, `${within}Item`);
    return { kind: "list", item };
  }

  #fields({ schema, pointers }: Merged, name: string): Pick<NamedShape, "fields" | "others"> {
    const properties = (schema["properties"] ?? {}) as JsonObject;
    const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
    const fields = Object.entries(properties).map(([key, one]) => ({
      name: key,
      description: isObject(one) ? textAt(one, "description") : undefined,
      shape: this.#shape(
        one,
        `${pointers.get(key) ?? ""}/properties/${escaped(key)}`,
        name + pascal(key),
      ),
      required: required.has(key),
    }));
    // Open is what says so: a client that took any other name would take a misspelt one.
    const others = schema["additionalProperties"];
    return { fields, others: others === true || isSchema(others) ? { kind: "any" } : undefined };
  }

  #referred(reference: string, pointer: string, within: string): Shape {
    if (!reference.startsWith("#")) throw elsewhere(reference, pointer);
    const target = decodeURIComponent(reference.slice(1));
    const last = target.split("/").at(-1) ?? "";
    return { kind: "named", name: this.#nameAt(target, last === "" ? within : pascal(last)) };
  }

  /** The schema with all that its `allOf` say of properties; `undefined`: it is no object. */
  #merged(schema: Json, pointer: string, depth = 0): Merged | undefined {
    if (!isObject(schema)) return undefined;
    if (depth > 20) throw new UnusableSchema(`${place(pointer)} refers to itself by allOf`);
    const pointers = new Map(
      Object.keys((schema["properties"] ?? {}) as JsonObject).map((key) => [key, pointer]),
    );
    const parts = schema["allOf"];
    if (!Array.isArray(parts)) return { schema, pointers };
    const merged = (parts as readonly Json[]).flatMap((part, index) => {
      const own = `${pointer}/allOf/${index}`;
      const reference = isObject(part) ? part["$ref"] : undefined;
      if (typeof reference === "string" && !reference.startsWith("#"))
        throw elsewhere(reference, own);
      const at = typeof reference === "string" ? reference.slice(1) : own;
      return this.#merged(this.#at(at), at, depth + 1) ?? [];
    });
    for (const one of merged)
      for (const [key, at] of one.pointers) if (!pointers.has(key)) pointers.set(key, at);
    const all = [...merged.map((one) => one.schema), schema];
    const properties = all.map((one) => (one["properties"] ?? {}) as JsonObject);
    const whole: JsonObject = {
      ...(Object.assign({}, ...all) as JsonObject),
      properties: Object.assign({}, ...properties) as JsonObject,
      required: all.flatMap((one) => listAt(one, "required")),
    };
    return { schema: whole, pointers };
  }

  #at(pointer: string): Json {
    let found: Json | undefined = this.#document;
    for (const part of pointer.split("/").slice(1)) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      found = isIndexed(found) ? found[key] : undefined;
    }
    if (found === undefined)
      throw new UnusableSchema(`it refers to #${pointer}, which is not there`);
    return found;
  }
}

function elsewhere(reference: string, pointer: string): UnusableSchema {
  const hint = "put what it refers to into its own $defs";
  return new UnusableSchema(`${place(pointer)} refers to ${reference}, another document; ${hint}`);
}

type Merged = {
  readonly schema: JsonObject;
  /** Where each property stands. */
  readonly pointers: ReadonlyMap<string, string>;
};

/** `my-orders` and `my_orders` as `MyOrders`. */
export function pascal(text: string): string {
  const words = text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
  const joined = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
  return /^\p{L}/u.test(joined) ? joined : `_${joined}`;
}

function union(shapes: readonly Shape[]): Shape {
  const flat = shapes.flatMap((one) => (one.kind === "union" ? one.members : [one]));
  const different = new Map(flat.map((one) => [JSON.stringify(one), one]));
  const [first = { kind: "never" } as const, ...more] = different.values();
  if (more.length === 0) return first;
  const members = [...different.values()];
  return members.some(({ kind }) => kind === "any") ? { kind: "any" } : { kind: "union", members };
}

function literal(values: readonly Json[]): Shape {
  const plain = values.filter(
    (one): one is string | number | boolean | null => typeof one !== "object" || one === null,
  );
  return plain.length === values.length ? { kind: "literal", values: plain } : { kind: "any" };
}

function hasProperties(schema: JsonObject): boolean {
  return isObject(schema["properties"]) && Object.keys(schema["properties"]).length > 0;
}

function isSchema(value: Json | undefined): value is JsonObject {
  return isObject(value) && Object.keys(value).length > 0;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isIndexed(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null;
}

function textAt(schema: JsonObject, key: string): string | undefined {
  const value = schema[key];
  return typeof value === "string" ? value : undefined;
}

function listAt(schema: JsonObject, key: string): readonly Json[] {
  const value = schema[key];
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

function escaped(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

function place(pointer: string): string {
  return pointer === "" ? "the schema" : `#${pointer}`;
}

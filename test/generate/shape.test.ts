import { expect, test } from "vitest";
import { pascal, SchemaTypes, UnusableSchema, type NamedShape } from "../../src/generate/shape.ts";
import type { Json } from "../../src/metadata/describe.ts";

function typesOf(document: Json, pointer = ""): readonly NamedShape[] {
  const taken = new Set<string>();
  const types = new SchemaTypes(document, (wanted) => {
    let name = wanted;
    for (let count = 2; taken.has(name); count++) name = `${wanted}${count}`;
    taken.add(name);
    return name;
  });
  types.root("Order", pointer);
  return types.types;
}

/** What the field of that name is, in an object that has it alone. */
function fieldOf(schema: Json): unknown {
  return typesOf({ type: "object", properties: { field: schema } })[0]?.fields?.[0]?.shape;
}

test("plain types, lists and maps", () => {
  expect(fieldOf({ type: "string", format: "date-time" })).toEqual({ kind: "text" });
  expect(fieldOf({ type: ["integer", "null"] })).toEqual({
    kind: "union",
    members: [{ kind: "integer" }, { kind: "null" }],
  });
  expect(fieldOf({ enum: ["a", 1, null] })).toEqual({ kind: "literal", values: ["a", 1, null] });
  expect(fieldOf({ const: "a" })).toEqual({ kind: "literal", values: ["a"] });
  expect(fieldOf({ type: "array", items: { type: "number" } })).toEqual({
    kind: "list",
    item: { kind: "number" },
  });
  expect(fieldOf({ type: "object", additionalProperties: { type: "boolean" } })).toEqual({
    kind: "map",
    value: { kind: "boolean" },
  });
  expect(fieldOf(true)).toEqual({ kind: "any" });
  expect(fieldOf({})).toEqual({ kind: "any" });
  expect(fieldOf({ enum: [{ a: 1 }] })).toEqual({ kind: "any" });
  const pair = [{ type: "string" }, { type: "integer" }];
  const tuple = { kind: "tuple", items: [{ kind: "text" }, { kind: "integer" }] };
  expect(fieldOf({ prefixItems: pair, items: false, minItems: 2 })).toEqual(tuple);
  expect(fieldOf({ type: "array", items: pair })).toEqual({ kind: "list", item: { kind: "any" } });
});

test("objects within have types of their own, open ones say so", () => {
  const [order, address] = typesOf({
    type: "object",
    required: ["id"],
    properties: {
      id: { type: "integer", description: "The number." },
      address: { properties: { street: { type: "string" } }, additionalProperties: true },
    },
  });
  expect(order).toMatchObject({
    name: "Order",
    others: undefined,
    fields: [
      { name: "id", required: true, description: "The number." },
      { name: "address", required: false, shape: { kind: "named", name: "OrderAddress" } },
    ],
  });
  expect(address).toMatchObject({ name: "OrderAddress", others: { kind: "any" } });
});

test("references, also to itself and into a part of a document", () => {
  const document = {
    $defs: {
      node: { type: "object", properties: { next: { $ref: "#/$defs/node" }, root: { $ref: "#" } } },
    },
    type: "object",
    properties: { first: { $ref: "#/$defs/node" } },
  };
  expect(typesOf(document).map(({ name }) => name)).toEqual(["Order", "Node"]);
  expect(typesOf(document)[1]?.fields?.map(({ shape }) => shape)).toEqual([
    { kind: "named", name: "Node" },
    { kind: "named", name: "Order" },
  ]);
  expect(typesOf(document, "/$defs/node").map(({ name }) => name)).toEqual(["Order", "OrderRoot"]);
});

test("allOf is one object, and unions are unions", () => {
  const [order] = typesOf({
    $defs: { base: { properties: { id: { type: "string" } }, required: ["id"] } },
    allOf: [{ $ref: "#/$defs/base" }, { properties: { total: { type: "number" } } }],
    properties: { note: { type: "string" } },
  });
  expect(order?.fields?.map(({ name, required }) => [name, required])).toEqual([
    ["id", true],
    ["total", false],
    ["note", false],
  ]);
  expect(fieldOf({ anyOf: [{ type: "string" }, { type: "number" }, { type: "string" }] })).toEqual({
    kind: "union",
    members: [{ kind: "text" }, { kind: "number" }],
  });
});

test("what no type can be made of is said with its place", () => {
  const other = { properties: { a: { $ref: "other.json#/b" } } };
  expect(() => typesOf(other)).toThrow(UnusableSchema);
  expect(() => typesOf(other)).toThrow("#/properties/a refers to other.json#/b, another document");
  expect(() => typesOf({ properties: { a: { $ref: "#/$defs/b" } } })).toThrow(
    "it refers to #/$defs/b, which is not there",
  );
  expect(() => typesOf({ properties: { a: 1 } })).toThrow("#/properties/a is no schema");
  const circle = {
    $defs: { a: { allOf: [{ $ref: "#/$defs/a" }] } },
    allOf: [{ $ref: "#/$defs/a" }],
  };
  expect(() => typesOf(circle)).toThrow("refers to itself by allOf");
});

test("names", () => {
  expect(["my-orders", "my_orders", "a.b", "2nd", "Größe", "orders2"].map(pascal)).toEqual([
    ...["MyOrders", "MyOrders", "AB", "_2nd", "Größe", "Orders2"],
  ]);
});

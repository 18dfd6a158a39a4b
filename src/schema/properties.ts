import type { Described, DescribedStore } from "../metadata/describe.ts";
import type { Field, Fields } from "../metadata/fields.ts";
import { all, descriptionOf, inAnyCase, valueSchema, when, type Schema } from "./values.ts";

/** A type of component as its items of `spec.metadata` are checked. */
export type PropertiesOf = {
  /** As YAML has it: `bindings.kafka`. */
  readonly type: string;
  readonly metadata: Fields;
  /** Fields that it has beside its own: those of every component. */
  readonly shared: Fields;
  /** Set: an input, and whether it is one where the metadata `direction` is not there. */
  readonly input?: "usual" | "optional";
  readonly output?: boolean;
};

export function propertiesOfBinding(binding: Described, every: Fields): PropertiesOf {
  const input = binding.inputIsOptional ? "optional" : "usual";
  return {
    type: `bindings.${binding.name}`,
    metadata: binding.metadata,
    shared: without(every, binding.metadata),
    ...(binding.read === undefined ? {} : { input }),
    output: binding.operations !== undefined,
  };
}

export function propertiesOfStore(store: DescribedStore, remote: Fields): PropertiesOf {
  const shared = store.isRemote ? without(remote, store.metadata) : {};
  return { type: `secretstores.${store.name}`, metadata: store.metadata, shared, output: true };
}

/** A binding's own field stands for the one of every component that has its name. */
function without(fields: Fields, own: Fields): Fields {
  const folded = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  return Object.fromEntries(
    Object.entries(fields).filter(([name]) => !folded.has(name.toLowerCase())),
  );
}

/** The schema of `spec.metadata`. `shared`: where the schema of a field of every component stands. */
export function propertiesSchema(of: PropertiesOf, shared: (name: string) => string): Schema {
  const isUsed = ({ direction }: Field): boolean =>
    direction === undefined || (direction === "input" ? of.input !== undefined : !!of.output);
  const own = Object.entries(of.metadata).filter(([, field]) => isUsed(field));
  const common = Object.entries(of.shared).filter(([, field]) => isUsed(field));
  const named = [...own, ...common].filter(([, { prefix }]) => prefix === undefined);
  const exact = unique(named.flatMap(([name, { aliases }]) => [name, ...aliases]));
  const prefixes = own.flatMap(([, { prefix }]) =>
    prefix === undefined ? [] : [`^${inAnyCase(prefix)}.`],
  );
  const others = [`^(?:${exact.map(inAnyCase).join("|")})$`, ...prefixes].join("|");
  const isPrefix = ([, { prefix }]: [string, Field]): boolean => prefix !== undefined;
  const checked = ([name, field]: [string, Field]): Schema =>
    ifNamed(name, field, itemSchema(field));
  const prefixed = own.filter(isPrefix).map(checked);
  const values = [
    ...own.filter((entry) => !isPrefix(entry)).map(checked),
    ...common.map(([name, field]) => ifNamed(name, field, { $ref: shared(name) })),
  ];
  const required = own.filter(([, field]) => field.required && field.prefix === undefined);
  return {
    type: ["array", "null"],
    items: {
      allOf: [{ $ref: "#/definitions/item" }],
      // Names count in any case; one that is written otherwise is known, and its value is not looked at.
      ...when(
        {
          properties: { name: { type: "string", pattern: others, not: { enum: exact } } },
          required: ["name"],
        },
        all(prefixed),
        { properties: { name: nameSchema(of.type, exact, named) }, ...all(values) },
      ),
    },
    ...all(required.map(([name, field]) => presence(of, name, field))),
  };
}

/** What a property with the field's value looks like, apart from its name. */
export function itemSchema(field: Field): Schema {
  return { properties: { value: valueSchema(field) } };
}

function ifNamed(name: string, field: Field, then: Schema): Schema {
  const said =
    field.prefix === undefined
      ? { enum: [name, ...field.aliases] }
      : { type: "string", pattern: `^${inAnyCase(field.prefix)}.` };
  const condition = { properties: { name: said }, required: ["name"] };
  if (field.deprecated === undefined) return when(condition, then);
  const deprecationMessage = `It is deprecated: ${field.deprecated}.`;
  return when(condition, { properties: { name: { deprecationMessage } }, allOf: [then] });
}

function nameSchema(
  type: string,
  exact: readonly string[],
  named: readonly (readonly [string, Field])[],
): Schema {
  const descriptions = exact.map((written) => {
    const found = named.find(([name, { aliases }]) => [name, ...aliases].includes(written));
    if (found === undefined) return "";
    const [name, field] = found;
    return name === written ? descriptionOf(field) : `Another name of ${name}.`;
  });
  return {
    description: `A property of ${type}.`,
    enum: exact,
    enumDescriptions: descriptions,
    errorMessage: `${type} has no property of this name.`,
  };
}

function presence(of: PropertiesOf, name: string, field: Field): Schema {
  const written = [name, ...field.aliases];
  const there = containing(written);
  const errorMessage = `${of.type} requires the property ${written.join(" or ")}.`;
  if (field.direction === undefined) return { ...there, errorMessage };
  const { direction } = field;
  // Whether it is needed depends on which directions the component has.
  const names = (word: string): Schema => ({
    contains: {
      properties: {
        name: { type: "string", pattern: `^${inAnyCase("direction")}$` },
        value: { type: "string", pattern: inAnyCase(word) },
      },
      required: ["name", "value"],
    },
  });
  const isUsual = direction === "output" || of.input === "usual";
  const wanted: Schema = isUsual
    ? { anyOf: [names(direction), { not: containing(["direction"]) }] }
    : names(direction);
  return when({ type: "array", ...wanted }, { ...there, errorMessage });
}

function containing(names: readonly string[]): Schema {
  const pattern = `^(?:${names.map(inAnyCase).join("|")})$`;
  return {
    contains: { properties: { name: { type: "string", pattern } }, required: ["name"] },
  };
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

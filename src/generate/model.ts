import type { AnyBinding } from "../binding.ts";
import { formatOrigin, type ComponentSpec } from "../component.ts";
import { messageOf } from "../errors.ts";
import type { Fields } from "../metadata/fields.ts";
import { readPayloadSchema } from "../resources/payload-schema.ts";
import { findBinding } from "../resources/visibility.ts";
import { parseDirections } from "../runtime/component/component-fields.ts";
import { pascal, SchemaTypes, type NamedShape, type Shape } from "./shape.ts";

/** What a client of some component files is generated from. */
export type Model = {
  readonly components: readonly ModelComponent[];
  /** The types of payloads, in the order of the components. */
  readonly payloads: readonly NamedShape[];
  /** The components that take `create`, by name: what a reply may name in `to`. */
  readonly outputs: readonly string[];
};

export type ModelComponent = {
  readonly name: string;
  readonly type: string;
  readonly summary: string;
  /** The payload of events and of `create`, where the component names a schema. */
  readonly payload: Shape | undefined;
  readonly operations: readonly ModelOperation[];
  readonly input: { readonly eventMetadata: Names | undefined } | undefined;
};

export type ModelOperation = {
  readonly name: string;
  readonly description: string;
  readonly request: Fields;
  readonly answerMetadata: Names | undefined;
};

export type Names = Readonly<Record<string, string>>;

/** Why nothing can be generated, a sentence each. */
export class CannotGenerate extends Error {
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join("\n"));
    this.reasons = reasons;
  }
}

/** How a language names things. */
export type Naming = {
  /** The name by which code calls a component or an operation. */
  readonly memberOf: (name: string) => string;
  /** The type of a component. */
  readonly typeName: (component: string) => string;
  /** Names that payloads cannot have. */
  readonly reservedNames: readonly string[];
};

/**
 * The model of components. Two that code would call by the same name are an error.
 */
export async function modelOf(
  specs: readonly ComponentSpec[],
  bindings: readonly AnyBinding[],
  { memberOf, typeName, reservedNames }: Naming,
): Promise<Model> {
  const reasons: string[] = [];
  const taken = new Set([...reservedNames, ...specs.map(({ name }) => typeName(name))]);
  const unique = (wanted: string): string => {
    let name = wanted;
    for (let count = 2; taken.has(name); count++) name = `${wanted}${count}`;
    taken.add(name);
    return name;
  };
  const payloads: NamedShape[] = [];
  const components: ModelComponent[] = [];
  // State stores and secret stores are nothing that an app calls.
  const ours = specs
    .filter(({ type }) => type.startsWith("bindings."))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const spec of ours) {
    const binding = findBinding(bindings, spec.type);
    if (binding === undefined) {
      const type = JSON.stringify(spec.type);
      reasons.push(`${formatOrigin(spec.origin)}: type ${type} is not known; see cufflink check`);
      continue;
    }
    const { values } = await spec.resolve(["schema", "direction"]);
    const given = (name: string): string | undefined =>
      Object.entries(values).find(([key]) => key.toLowerCase() === name)?.[1];
    let payload: Shape | undefined;
    const file = given("schema");
    if (file) {
      try {
        const { document, pointer } = readPayloadSchema(file, spec.origin?.file ?? ".");
        const types = new SchemaTypes(document, unique);
        payload = types.root(pascal(spec.name), pointer);
        payloads.push(...types.types);
      } catch (thrown) {
        reasons.push(
          `${formatOrigin(spec.origin)}: schema ${JSON.stringify(file)}: ${messageOf(thrown)}`,
        );
      }
    }
    components.push(component(spec, binding, payload, parseDirections(given("direction"))));
  }
  reasons.push(
    ...collisions(
      components.map(({ name }) => name),
      memberOf,
      "components",
    ),
  );
  for (const { name, operations } of components)
    reasons.push(
      ...collisions(
        operations.map((one) => one.name),
        memberOf,
        `operations of ${name}`,
      ),
    );
  if (reasons.length > 0) throw new CannotGenerate(reasons);
  const outputs = components
    .filter(({ operations }) => operations.some(({ name }) => name === "create"))
    .map(({ name }) => name);
  return { components, payloads, outputs };
}

function component(
  { name, type }: ComponentSpec,
  binding: AnyBinding,
  payload: Shape | undefined,
  said: { input: boolean; output: boolean } | undefined,
): ModelComponent {
  const able = { input: binding.read !== undefined, output: binding.operations !== undefined };
  const usual = { ...able, input: able.input && binding.inputIsOptional !== true };
  const isSaid = said !== undefined && (said.input || said.output);
  const input = isSaid ? able.input && said.input : usual.input;
  const output = isSaid ? able.output && said.output : usual.output;
  const operations = (binding.operations ?? {}) as Readonly<
    Record<string, Omit<ModelOperation, "name">>
  >;
  return {
    ...{ name, type, payload, summary: binding.summary },
    operations: !output
      ? []
      : Object.entries(operations).map(([operation, { description, request, answerMetadata }]) => ({
          ...{ name: operation, description, request, answerMetadata },
        })),
    input: input ? { eventMetadata: binding.eventMetadata } : undefined,
  };
}

function collisions(
  names: readonly string[],
  memberOf: (name: string) => string,
  what: string,
): string[] {
  const byMember = Map.groupBy(names, memberOf);
  return [...byMember].flatMap(([member, same]) =>
    same.length === 1
      ? []
      : [`the ${what} ${same.join(" and ")} would both be called ${member}; rename one`],
  );
}

import type { AnyBinding } from "../binding.ts";
import { BindingError, messageOf } from "../errors.ts";
import { declarationOf, declaredField, type FieldDeclaration } from "../metadata/declared-field.ts";
import { afterPrefix, type Field, type Fields } from "../metadata/fields.ts";

/** What of a binding can be written down, and is enough for a component that nobody has used yet. */
export type BindingDeclaration = Pick<AnyBinding, "name" | "aliases" | "status" | "summary"> & {
  readonly metadata: Readonly<Record<string, FieldDeclaration>>;
  readonly reads: boolean;
  readonly inputIsOptional: boolean;
  readonly runsPrograms: boolean;
  readonly openedOnce?: "port" | "identity";
  readonly spreads?: true;
  /** By name, whether it takes its payload in parts. Absent: an input only. */
  readonly operations?: Readonly<Record<string, { readonly streams: boolean }>>;
};

/** For a file that {@link DeclaredBinding} is made of. */
export function declarationOfBinding(binding: AnyBinding): BindingDeclaration {
  const { name, aliases = [], status, summary, operations } = binding;
  const metadata = Object.entries(binding.metadata as Fields);
  return {
    ...{ name, aliases, status, summary },
    metadata: Object.fromEntries(metadata.map(([key, field]) => [key, declarationOf(field)])),
    reads: binding.read !== undefined,
    inputIsOptional: binding.inputIsOptional === true,
    runsPrograms: binding.runsPrograms === true,
    ...(binding.openedOnce && { openedOnce: binding.openedOnce }),
    ...(binding.spreads && { spreads: binding.spreads }),
    ...(operations && {
      operations: Object.fromEntries(
        Object.entries(operations).map(([key, one]) => [
          ...[key, { streams: one.invokeStream !== undefined }],
        ]),
      ),
    }),
  };
}

/** A binding whose declaration is known, and whose code is not loaded: components are made of it, and none is opened. */
export class DeclaredBinding implements AnyBinding {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly status: AnyBinding["status"];
  readonly summary: string;
  readonly metadata: Fields;
  readonly inputIsOptional: boolean;
  readonly runsPrograms?: true;
  readonly openedOnce?: "port" | "identity";
  readonly spreads?: true;
  readonly operations?: NonNullable<AnyBinding["operations"]>;
  readonly read?: () => never;
  readonly #byCode: readonly (readonly [name: string, field: Field])[];
  readonly #load: () => Promise<AnyBinding>;

  constructor(declaration: BindingDeclaration, load: () => Promise<AnyBinding>) {
    const { metadata, operations } = declaration;
    this.name = declaration.name;
    this.aliases = declaration.aliases ?? [];
    this.status = declaration.status;
    this.summary = declaration.summary;
    this.inputIsOptional = declaration.inputIsOptional;
    const fields = Object.entries(metadata).map(
      ([name, field]) => [name, declaredField(field)] as const,
    );
    this.metadata = Object.fromEntries(fields);
    this.#byCode = fields.filter(([name]) => metadata[name]?.byCode);
    if (declaration.openedOnce !== undefined) this.openedOnce = declaration.openedOnce;
    if (declaration.spreads) this.spreads = true;
    if (declaration.runsPrograms) this.runsPrograms = true;
    if (declaration.reads) this.read = notLoaded;
    if (operations !== undefined)
      this.operations = Object.fromEntries(
        Object.entries(operations).map(([name, { streams }]) => [name, operation(streams)]),
      );
    this.#load = load;
  }

  /** Whether the binding's code is needed to tell if one of these properties is right. */
  needsCodeFor(properties: readonly string[]): boolean {
    return properties.some((property) =>
      this.#byCode.some(
        ([name, field]) =>
          afterPrefix(property, field) !== undefined ||
          [name, ...field.aliases].some((one) => one.toLowerCase() === property.toLowerCase()),
      ),
    );
  }

  /** Loads the code. Throws a `BindingError` where it is not there any more. */
  async load(): Promise<AnyBinding> {
    try {
      return await this.#load();
    } catch (error) {
      const text = `the code of bindings.${this.name} cannot be loaded: ${messageOf(error)}; if the program was replaced while it ran, restart it`;
      throw new BindingError("unavailable", text, { effect: "unsent", cause: error });
    }
  }

  open(): never {
    return notLoaded();
  }
}

function operation(streams: boolean): NonNullable<AnyBinding["operations"]>[string] {
  const invoke = notLoaded;
  return { description: "", request: {}, invoke, ...(streams && { invokeStream: notLoaded }) };
}

function notLoaded(): never {
  throw new Error("the binding's code was not loaded");
}

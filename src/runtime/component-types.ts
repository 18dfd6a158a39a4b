import type { AnyBinding } from "../binding.ts";

/** Types that programs beside the runtime serve. */
export type PluggableTypes = {
  /** Of a name without `bindings.`; `own`: what the runtime itself has by it. */
  find(name: string, own: AnyBinding | undefined): AnyBinding | undefined;
};

/** What is behind the type of a component, in any case of its letters. The lists of bindings may grow, and what was declared alone may be loaded. */
export class ComponentTypes {
  readonly #lists: readonly (readonly [prefix: string, list: readonly AnyBinding[]])[];
  readonly #pluggable: PluggableTypes | undefined;
  #types = new Map<string, AnyBinding>();
  #known: readonly AnyBinding[] = [];

  constructor(
    bindings: readonly AnyBinding[],
    stateStores: readonly AnyBinding[],
    pluggable?: PluggableTypes,
  ) {
    this.#pluggable = pluggable;
    this.#lists = [
      ["bindings.", bindings],
      ["state.", stateStores],
    ];
  }

  /** `undefined`: no binding and no state store is of this type. */
  find(type: string): AnyBinding | undefined {
    const own = this.#all().get(type.toLowerCase());
    if (this.#pluggable === undefined || !type.toLowerCase().startsWith("bindings.")) return own;
    return this.#pluggable.find(type.slice("bindings.".length), own);
  }

  /** All types, in lower case. */
  names(): Iterable<string> {
    return this.#all().keys();
  }

  #all(): ReadonlyMap<string, AnyBinding> {
    const all = this.#lists.flatMap(([, list]) => list);
    if (all.length === this.#known.length && all.every((one, at) => one === this.#known[at]))
      return this.#types;
    this.#known = all;
    this.#types = new Map(
      this.#lists.flatMap(([prefix, list]) =>
        list.flatMap((binding) =>
          [binding.name, ...(binding.aliases ?? [])].map(
            (name) => [prefix + name.toLowerCase(), binding] as const,
          ),
        ),
      ),
    );
    return this.#types;
  }
}

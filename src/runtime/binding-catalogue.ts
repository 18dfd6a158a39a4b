import type { AnyBinding, BindingModule } from "../binding.ts";

/** Bindings that are none of ours. */
export type OtherBindings = {
  /** Those that are there from the start. */
  readonly loaded?: readonly AnyBinding[];
  /** Finds more of them, for a type that nobody has so far. Resolves to all that it has found. */
  find?(): Promise<readonly AnyBinding[]>;
  /** Whether a program beside this one may serve a binding of this name, which is no mistake then. */
  mayBeServed?(name: string): boolean;
};

/** The bindings that the components of a process name. */
export class BindingCatalogue {
  readonly #modules: readonly BindingModule[];
  readonly #others: OtherBindings;
  readonly #loaded: AnyBinding[] = [];
  readonly #loading = new Map<BindingModule, Promise<void>>();

  constructor(modules: readonly BindingModule[], others: OtherBindings = {}) {
    this.#modules = modules;
    this.#others = others;
    this.#loaded.push(...(others.loaded ?? []));
  }

  /** The names of all that were found so far. */
  get names(): readonly string[] {
    const found = [...this.#modules, ...this.#loaded];
    return [...new Set(found.flatMap(({ name, aliases = [] }) => [name, ...aliases]))];
  }

  /** Those that were needed so far; it grows. */
  get loaded(): readonly AnyBinding[] {
    return this.#loaded;
  }

  /** Loads those of these component types, such as `bindings.kafka`. A type that nobody has may be meant as any: then all are. */
  async need(types: readonly string[]): Promise<void> {
    const wanted = types.map((type) => type.toLowerCase());
    const isUnknown = (type: string): boolean => !this.#has(type) && !isOther(type);
    if (wanted.some(isUnknown)) await this.#find();
    const isMistaken = wanted.some((type) => isUnknown(type) && !this.#isServed(type));
    const needed = this.#modules.filter(
      (module) => isMistaken || namesOf(module).some((name) => wanted.includes(name)),
    );
    await Promise.all(needed.map((module) => this.#load(module)));
  }

  /** All there are, in order. */
  async all(): Promise<readonly AnyBinding[]> {
    await Promise.all([this.#find(), ...this.#modules.map((module) => this.#load(module))]);
    const order = this.#modules.map(({ name }) => name);
    // Those of others come after ours.
    const placeOf = ({ name }: AnyBinding): number => (order.indexOf(name) + 1 || Infinity) - 1;
    return this.#loaded.toSorted((a, b) =>
      placeOf(a) === placeOf(b) ? 0 : placeOf(a) - placeOf(b),
    );
  }

  #has(type: string): boolean {
    return [...this.#modules, ...this.#loaded].some((one) => namesOf(one).includes(type));
  }

  #isServed(type: string): boolean {
    const name = type.startsWith("bindings.") ? type.slice("bindings.".length) : undefined;
    return name !== undefined && this.#others.mayBeServed?.(name) === true;
  }

  async #find(): Promise<void> {
    const found = (await this.#others.find?.()) ?? [];
    this.#loaded.push(...found.filter((one) => !this.#loaded.includes(one)));
  }

  #load(module: BindingModule): Promise<void> {
    const begun = this.#loading.get(module);
    if (begun !== undefined) return begun;
    const loading = module.load().then(({ default: binding }) => void this.#loaded.push(binding));
    this.#loading.set(module, loading);
    return loading;
  }
}

function namesOf({ name, aliases = [] }: Pick<BindingModule, "name" | "aliases">): string[] {
  return [name, ...aliases].map((one) => `bindings.${one.toLowerCase()}`);
}

/** Of another kind than a binding, as written. */
function isOther(type: string): boolean {
  return /^(?:state|secretstores)\./.test(type);
}

import type { AnyBinding, BindingModule } from "../binding.ts";
import { DeclaredBinding, type BindingDeclaration } from "./declared-binding.ts";

/** A binding that may be known by its declaration alone. */
export type KnownModule = BindingModule & {
  /** Absent, or `undefined`: it is known once it is loaded. */
  readonly declaration?: () => BindingDeclaration | undefined;
};

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
  readonly #modules: readonly KnownModule[];
  readonly #others: OtherBindings;
  readonly #loaded: AnyBinding[] = [];
  readonly #loading = new Map<BindingModule, Promise<AnyBinding>>();

  constructor(modules: readonly KnownModule[], others: OtherBindings = {}) {
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

  /**
   * Loads those of these component types, such as `bindings.kafka`. A type that nobody has may be meant as any: then all are.
   * `waiting`: by type, the properties of components that wait for their first use; where all of a type do, its
   * declaration is enough.
   */
  async need(
    types: readonly string[],
    waiting: ReadonlyMap<string, readonly string[]> = new Map(),
  ): Promise<void> {
    const wanted = types.map((type) => type.toLowerCase());
    const isUnknown = (type: string): boolean => !this.#has(type) && !isOther(type);
    if (wanted.some(isUnknown)) await this.#find();
    const isMistaken = wanted.some((type) => isUnknown(type) && !this.#isServed(type));
    const needed = this.#modules.filter(
      (module) => isMistaken || namesOf(module).some((name) => wanted.includes(name)),
    );
    const properties = (module: BindingModule): readonly string[] | undefined => {
      const named = types.filter((type) => namesOf(module).includes(type.toLowerCase()));
      if (isMistaken || !named.every((type) => waiting.has(type))) return undefined;
      return named.flatMap((type) => waiting.get(type) ?? []);
    };
    await Promise.all(
      needed.map(async (module) => {
        const given = properties(module);
        if (given === undefined || !this.#declare(module, given)) await this.#load(module);
      }),
    );
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

  /** False: its code is needed to tell whether these properties are right. */
  #declare(module: KnownModule, properties: readonly string[]): boolean {
    const known = this.#loaded.find(({ name }) => name === module.name);
    if (known !== undefined)
      return !(known instanceof DeclaredBinding && known.needsCodeFor(properties));
    const declaration = this.#loading.has(module) ? undefined : module.declaration?.();
    if (declaration === undefined) return false;
    const declared = new DeclaredBinding(declaration, () => this.#load(module));
    if (declared.needsCodeFor(properties)) return false;
    this.#loaded.push(declared);
    return true;
  }

  #load(module: BindingModule): Promise<AnyBinding> {
    const begun = this.#loading.get(module);
    if (begun !== undefined) return begun;
    const loading = this.#loadAnew(module);
    this.#loading.set(module, loading);
    // Tried again when it is needed again.
    loading.catch(() => this.#loading.delete(module));
    return loading;
  }

  async #loadAnew(module: BindingModule): Promise<AnyBinding> {
    const { default: binding } = await module.load();
    const at = this.#loaded.findIndex(({ name }) => name === binding.name);
    this.#loaded.splice(at === -1 ? this.#loaded.length : at, 1, binding);
    return binding;
  }
}

function namesOf({ name, aliases = [] }: Pick<BindingModule, "name" | "aliases">): string[] {
  return [name, ...aliases].map((one) => `bindings.${one.toLowerCase()}`);
}

/** Of another kind than a binding, as written. */
function isOther(type: string): boolean {
  return /^(?:state|secretstores)\./.test(type);
}

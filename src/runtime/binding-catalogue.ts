import type { AnyBinding, BindingModule } from "../binding.ts";
import { DeclaredBinding, type BindingDeclaration } from "./declared-binding.ts";

/** A binding that may be known by its declaration alone. */
export type KnownModule = BindingModule & {
  /** Absent, or `undefined`: it is known once it is loaded. */
  readonly declaration?: () => BindingDeclaration | undefined;
};

/** The bindings that the components of a process name. */
export class BindingCatalogue {
  readonly #modules: readonly KnownModule[];
  readonly #loaded: AnyBinding[] = [];
  readonly #loading = new Map<BindingModule, Promise<AnyBinding>>();

  constructor(modules: readonly KnownModule[]) {
    this.#modules = modules;
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
    const known = new Set(this.#modules.flatMap((module) => namesOf(module)));
    const isMistaken = wanted.some((type) => !known.has(type) && !isOther(type));
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
    await Promise.all(this.#modules.map((module) => this.#load(module)));
    const order = this.#modules.map(({ name }) => name);
    return this.#loaded.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
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

function namesOf({ name, aliases = [] }: BindingModule): string[] {
  return [name, ...aliases].map((one) => `bindings.${one.toLowerCase()}`);
}

/** Of another kind than a binding, as written. */
function isOther(type: string): boolean {
  return /^(?:state|secretstores)\./.test(type);
}

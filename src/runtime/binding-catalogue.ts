import type { AnyBinding, BindingModule } from "../binding.ts";

/** The bindings that the components of a process name. */
export class BindingCatalogue {
  readonly #modules: readonly BindingModule[];
  readonly #loaded: AnyBinding[] = [];
  readonly #loading = new Map<BindingModule, Promise<void>>();
  readonly #mayBeServed: (name: string) => boolean;

  /** `mayBeServed`: whether a program beside this one may have a type that is none of these, by its name. */
  constructor(
    modules: readonly BindingModule[],
    mayBeServed: (name: string) => boolean = () => false,
  ) {
    this.#modules = modules;
    this.#mayBeServed = mayBeServed;
  }

  /** The names of all there are. */
  get names(): readonly string[] {
    return this.#modules.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  }

  /** Those that were needed so far; it grows. */
  get loaded(): readonly AnyBinding[] {
    return this.#loaded;
  }

  /** Loads those of these component types, such as `bindings.kafka`. A type that nobody has may be meant as any: then all are. */
  async need(types: readonly string[]): Promise<void> {
    const wanted = types.map((type) => type.toLowerCase());
    const known = new Set(this.#modules.flatMap((module) => namesOf(module)));
    const isServed = (type: string): boolean =>
      type.startsWith("bindings.") && this.#mayBeServed(type.slice("bindings.".length));
    const isMistaken = wanted.some((type) => !known.has(type) && !isOther(type) && !isServed(type));
    const needed = this.#modules.filter(
      (module) => isMistaken || namesOf(module).some((name) => wanted.includes(name)),
    );
    await Promise.all(needed.map((module) => this.#load(module)));
  }

  /** All there are, in order. */
  async all(): Promise<readonly AnyBinding[]> {
    await Promise.all(this.#modules.map((module) => this.#load(module)));
    const order = this.#modules.map(({ name }) => name);
    return this.#loaded.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  }

  #load(module: BindingModule): Promise<void> {
    const begun = this.#loading.get(module);
    if (begun !== undefined) return begun;
    const loading = module.load().then(({ default: binding }) => void this.#loaded.push(binding));
    this.#loading.set(module, loading);
    return loading;
  }
}

function namesOf({ name, aliases = [] }: BindingModule): string[] {
  return [name, ...aliases].map((one) => `bindings.${one.toLowerCase()}`);
}

/** Of another kind than a binding, as written. */
function isOther(type: string): boolean {
  return /^(?:state|secretstores)\./.test(type);
}

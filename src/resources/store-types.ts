import { duration } from "../metadata/fields.ts";
import type { AnySecretStore, SecretStoreModule } from "../secret-store.ts";
import { secretStoreModules } from "../secret-stores/modules.ts";

/** Milliseconds. */
const shortestInterval = 1000;

const interval = duration({
  description:
    "How often the secrets that components use are read again. A changed secret is taken over as a reload is; an unchanged one touches nothing. `0`: never. Otherwise at least `1s`.",
  default: "0",
  example: "5m",
});

function parseInterval(text: string): ReturnType<typeof interval.parse> {
  const parsed = interval.parse(text);
  const isTooShort = "value" in parsed && parsed.value !== 0 && parsed.value < shortestInterval;
  return isTooShort ? { problem: 'must be "0", or at least "1s"' } : parsed;
}

/** The metadata that every remote secret store has beside its own. */
export const remoteStoreFields = { refreshInterval: { ...interval, parse: parseInterval } };

/** The types of secret stores, each loaded when a resource first names it. */
export class StoreTypes {
  readonly #modules: ReadonlyMap<string, SecretStoreModule>;
  readonly #loaded = new Map<string, AnySecretStore>();

  constructor(modules: readonly SecretStoreModule[] = secretStoreModules) {
    this.#modules = new Map(modules.map((module) => [fold(module.name), module]));
  }

  /** As YAML has them, in order. */
  get names(): readonly string[] {
    return [...this.#modules.values()].map(({ name }) => prefix + name);
  }

  has(type: string): boolean {
    return this.#modules.has(nameOf(type));
  }

  /** Loads those of the types that are there. */
  async load(types: readonly string[]): Promise<void> {
    const loading = types.map(async (type) => {
      const module = this.#modules.get(nameOf(type));
      if (module !== undefined && !this.#loaded.has(nameOf(type)))
        this.#loaded.set(nameOf(type), (await module.load()).default);
    });
    await Promise.all(loading);
  }

  /** One that was loaded. The prefix counts as written, the rest in any case. */
  find(type: string): AnySecretStore | undefined {
    return this.#loaded.get(nameOf(type));
  }
}

const prefix = "secretstores.";

function nameOf(type: string): string {
  return type.startsWith(prefix) ? fold(type.slice(prefix.length)) : "";
}

function fold(name: string): string {
  return name.toLowerCase();
}

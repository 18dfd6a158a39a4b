import type { ComponentSpec, ResolvedProperties } from "../component.ts";

/** A definition as it goes to another thread: its values stay with the parent, and are asked for there. */
export type SpecMessage = Omit<ComponentSpec, "prepare" | "resolve"> & {
  readonly id: number;
  readonly mustPrepare: boolean;
};

/** The definitions of a process, by the numbers that its workers know. */
export class SpecRegistry {
  readonly #ids = new WeakMap<ComponentSpec, number>();
  readonly #specs = new Map<number, { spec: ComponentSpec; readonly holders: Set<number> }>();
  #last = 0;

  /** Notes that a worker has it until it {@link forget}s it. */
  message(spec: ComponentSpec, worker: number): SpecMessage {
    let id = this.#ids.get(spec);
    if (id === undefined) this.#ids.set(spec, (id = ++this.#last));
    const known = this.#specs.get(id) ?? { spec, holders: new Set() };
    this.#specs.set(id, known);
    known.holders.add(worker);
    const { name, type, version, initTimeout, origin, fingerprint, properties } = spec;
    return {
      ...{ id, name, type, version, initTimeout, origin, properties },
      ...(fingerprint !== undefined && { fingerprint }),
      ...(spec.remoteSecretStores && { remoteSecretStores: spec.remoteSecretStores }),
      mustPrepare: spec.prepare !== undefined,
    };
  }

  get(id: number): ComponentSpec {
    const known = this.#specs.get(id);
    if (known === undefined) throw new Error(`no definition has the number ${id}`);
    return known.spec;
  }

  forget(id: number, worker: number): void {
    const known = this.#specs.get(id);
    known?.holders.delete(worker);
    if (known?.holders.size === 0) this.#specs.delete(id);
  }

  /** The worker is gone, and all it had. */
  left(worker: number): void {
    for (const id of this.#specs.keys()) this.forget(id, worker);
  }
}

type Asking = {
  resolve(spec: number, only: readonly string[] | undefined): Promise<ResolvedProperties>;
  prepare(spec: number): Promise<string | undefined>;
  forget(spec: number): void;
};

/** The definitions that a worker has: the same object for the same one. */
export class KnownSpecs {
  readonly #parent: Asking;
  readonly #known = new Map<number, WeakRef<ComponentSpec>>();
  readonly #gone = new FinalizationRegistry<number>((id) => {
    if (this.#known.get(id)?.deref() !== undefined) return;
    this.#known.delete(id);
    this.#parent.forget(id);
  });

  constructor(parent: Asking) {
    this.#parent = parent;
  }

  take({ id, mustPrepare, ...facts }: SpecMessage): ComponentSpec {
    const known = this.#known.get(id)?.deref();
    if (known !== undefined) return known;
    const parent = this.#parent;
    let { fingerprint } = facts;
    const spec: ComponentSpec = {
      ...facts,
      get fingerprint() {
        return fingerprint as string;
      },
      ...(mustPrepare && {
        async prepare() {
          fingerprint = await parent.prepare(id);
        },
      }),
      resolve: (only) => parent.resolve(id, only),
    };
    this.#known.set(id, new WeakRef(spec));
    this.#gone.register(spec, id);
    return spec;
  }
}

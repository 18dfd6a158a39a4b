/**
 * Which instance of a component each connection is. A changed definition is opened beside the one that works: by an id of
 * its own it gets an instance of its own, and does not change what the other one is.
 */
export class Instances {
  readonly #used = new Set<string>();

  /** The component's name, or what begins with it while that is used; {@link Instance.release} gives it back. */
  take(socket: string, component: string): Instance {
    for (let number = 1; ; number++) {
      const id = number === 1 ? component : `${component}#${number}`;
      const key = `${socket}\0${id}`;
      if (this.#used.has(key)) continue;
      this.#used.add(key);
      return { id, release: () => this.#used.delete(key) };
    }
  }
}

export type Instance = { readonly id: string; readonly release: () => void };

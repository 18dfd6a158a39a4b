/**
 * Events whose handler still runs although their stream is gone. The runtime delivers them again, and then
 * they wait for the first run to end, so that no key is ever handled twice at one time.
 */
export class RunningHandlers {
  readonly #events = new Map<string, { runs: number; ended: Promise<void>; end: () => void }>();

  add(binding: string, id: string): void {
    if (id === "") return;
    const name = nameOf(binding, id);
    const known = this.#events.get(name);
    if (known !== undefined) {
      known.runs++;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#events.set(name, { runs: 1, ended: promise, end: resolve });
  }

  remove(binding: string, id: string): void {
    const name = nameOf(binding, id);
    const known = this.#events.get(name);
    if (known === undefined || --known.runs > 0) return;
    this.#events.delete(name);
    known.end();
  }

  /** Resolves when the event's handler has ended; `undefined` when none runs. */
  find(binding: string, id: string): Promise<void> | undefined {
    if (this.#events.size === 0) return undefined;
    return this.#events.get(nameOf(binding, id))?.ended;
  }
}

function nameOf(binding: string, id: string): string {
  return `${binding}\n${id}`;
}

import type { ReplicaRecord } from "../store/replicas.ts";

/** How often the replicas are listed while something is relayed, in milliseconds. */
const interval = 2_000;
/** A replica in these states has its share of the events, or is about to. */
const delivering: ReadonlySet<string> = new Set(["starting", "running", "stalled"]);

/** How many replicas deliver events of each component, as the store tells it. */
export class Members implements Disposable {
  readonly #list: () => Promise<readonly ReplicaRecord[]>;
  /** This replica's id. */
  readonly #own: string;
  #records: readonly ReplicaRecord[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(own: string, list: () => Promise<readonly ReplicaRecord[]>) {
    this.#own = own;
    this.#list = list;
  }

  /** At least this one. */
  of(component: string): number {
    if (this.#timer === undefined) this.#begin();
    const others = this.#records.filter(
      ({ id, components }) =>
        id !== this.#own &&
        components.some(({ name, state }) => name === component && delivering.has(state)),
    );
    return 1 + others.length;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #begin(): void {
    const look = async (): Promise<void> => {
      try {
        this.#records = await this.#list();
      } catch {
        // Those that were known are as likely as others.
      }
    };
    void look();
    this.#timer = setInterval(() => void look(), interval);
    this.#timer.unref();
  }
}

import type { Cluster, Redis } from "ioredis";

/** A part of `net.Socket`, which is all that is asked of a connection here. */
type Corkable = Pick<Redis["stream"], "cork" | "uncork">;

/**
 * Lets commands that are issued in one turn of the event loop go out in one write: the system calls are
 * what a small command costs most. The turn's end comes right after what is ready now, so that a lone
 * command waits for nothing that it would not wait for anyhow.
 */
export class SharedWrites {
  readonly #client: Redis | Cluster;
  #held: readonly Corkable[] | undefined;
  readonly #release = (): void => {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const stream of held) stream.uncork();
  };

  constructor(client: Redis | Cluster) {
    this.#client = client;
  }

  /** To be called before a command is issued. */
  begin(): void {
    if (this.#held !== undefined) return;
    this.#held = "nodes" in this.#client ? streamsOf(this.#client) : [this.#client.stream];
    for (const stream of this.#held) stream.cork();
    setImmediate(this.#release);
  }
}

function streamsOf(cluster: Cluster): Corkable[] {
  // A node that is not connected yet has none.
  return cluster.nodes().flatMap(({ stream }: { stream?: Corkable }) => stream ?? []);
}

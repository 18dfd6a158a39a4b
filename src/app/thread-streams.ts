import { createStream } from "./create-stream.ts";
import type { EventStream } from "./event-stream.ts";
import type { EventStreams } from "./event-streams.ts";

/** Where the messages of a thread's streams go. */
export type StreamParent = {
  /** Resolves once it is on its way to the app. */
  batch(stream: number, bytes: Uint8Array, events: number): Promise<void>;
  needed(stream: number): void;
  returned(stream: number, credit: number): void;
};

type Known = { readonly stream: EventStream; isNeeded: boolean };

/** The streams that the app has dialled, as a thread has them that does not serve them itself: see `DialledStreams`. */
export class ThreadStreams {
  readonly #streams: EventStreams;
  readonly #parent: StreamParent;
  readonly #thread: number;
  readonly #threads: number;
  readonly #known = new Map<number, Known>();

  constructor(streams: EventStreams, parent: StreamParent, thread: number, threads: number) {
    this.#streams = streams;
    this.#parent = parent;
    this.#thread = thread;
    this.#threads = threads;
  }

  /** A message of the app; the first has its subscription. */
  take(id: number, message: Uint8Array): void {
    const known = this.#known.get(id);
    if (known === undefined) return this.#begin(id, message);
    known.isNeeded = false;
    known.stream.take(message);
  }

  recall(id: number): void {
    this.#parent.returned(id, this.#known.get(id)?.stream.giveUpCredit() ?? 0);
  }

  end(id: number, reason: string, properly: boolean): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    this.#known.delete(id);
    this.#streams.leave(known.stream, reason, properly);
  }

  #begin(id: number, subscription: Uint8Array): void {
    const stream = createStream(this.#streams, {
      numbers: { first: this.#threads + this.#thread, step: this.#threads },
      onNeeded: () => {
        if (known.isNeeded) return;
        known.isNeeded = true;
        this.#parent.needed(id);
      },
    });
    const known: Known = { stream, isNeeded: false };
    this.#known.set(id, known);
    stream.take(subscription);
    this.#streams.join(stream);
    void this.#send(id, stream);
  }

  async #send(id: number, stream: EventStream): Promise<void> {
    let told = 0;
    for await (const batch of stream.batches()) {
      const { delivered } = stream;
      const events = delivered - told;
      told = delivered;
      await this.#parent.batch(id, batch, events);
    }
  }
}

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Produced } from "./oracle.ts";
import type { Place } from "./place.ts";

/** Gives a place events at a steady rate, round the keys, and notes what became of each. */
export class Load {
  readonly produced: Produced[] = [];
  readonly #place: Place;
  readonly #perSecond: number;
  readonly #keys: readonly string[];
  readonly #sequences = new Map<string, number>();
  readonly #open = new Set<Promise<void>>();
  #next = 0;
  #running: Promise<void> | undefined;
  #wanted = false;

  constructor(place: Place, options: { perSecond: number; keys?: number }) {
    this.#place = place;
    this.#perSecond = options.perSecond;
    this.#keys = Array.from({ length: options.keys ?? 5 }, (_, index) => `key-${index}`);
  }

  start(): void {
    this.#wanted = true;
    this.#running ??= this.#run();
  }

  /** Sends no more; resolves once it is known of all that were sent what became of them. */
  async stop(): Promise<void> {
    this.#wanted = false;
    await this.#running;
    this.#running = undefined;
    await Promise.all(this.#open);
  }

  async #run(): Promise<void> {
    let due = performance.now();
    while (this.#wanted) {
      const sending = this.#send();
      if (this.#place.concurrent !== true) await sending;
      // What is late is not made up for: a server that was away is not flooded.
      due = Math.max(due + 1000 / this.#perSecond, performance.now());
      await pause(Math.max(0, due - performance.now()));
    }
  }

  #send(): Promise<void> {
    const { send } = this.#place;
    if (send === undefined) return Promise.resolve();
    const key = this.#keys[this.#next++ % this.#keys.length] ?? "key";
    const sequence = (this.#sequences.get(key) ?? 0) + 1;
    this.#sequences.set(key, sequence);
    const event = { key, sequence, uuid: randomUUID() };
    const note = (durable: boolean) => {
      this.produced.push({ ...event, durable, at: Date.now() });
    };
    const sending = send(event).then(
      () => note(true),
      () => note(false),
    );
    this.#open.add(sending);
    void sending.finally(() => this.#open.delete(sending));
    return sending;
  }
}

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Produced } from "./oracle.ts";
import type { OpenedSource } from "./opened-source.ts";

type LoadOptions = {
  readonly perSecond: number;
  /** One in so many is refused each time. */
  readonly poisonEvery?: number | undefined;
  /**
   * Whether another may be sent, with how many the source has so far and of how many that is not known yet; else
   * the load waits.
   */
  readonly room?: (durable: number, open: number) => boolean;
};

/** Gives a place events at a steady rate, round the keys, and notes what became of each. */
export class Load {
  readonly produced: Produced[] = [];
  /** Uuids of the events that the app refuses each time. Each has a key of its own. */
  readonly poison = new Set<string>();
  readonly #opened: OpenedSource;
  readonly #options: LoadOptions;
  readonly #keys: readonly string[];
  readonly #sequences = new Map<string, number>();
  readonly #open = new Set<Promise<void>>();
  #next = 0;
  #durable = 0;
  #running: Promise<void> | undefined;
  #wanted = false;

  constructor(opened: OpenedSource, options: LoadOptions) {
    this.#opened = opened;
    this.#options = options;
    this.#keys = Array.from({ length: 5 }, (_, index) => `key-${index}`);
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
    const { room = () => true } = this.#options;
    while (this.#wanted) {
      if (!room(this.#durable, this.#open.size)) {
        await pause(100);
        continue;
      }
      const sending = this.#send();
      if (this.#opened.concurrent !== true) await sending;
      // What is late is not made up for: a server that was away is not flooded.
      due = Math.max(due + 1000 / this.#options.perSecond, performance.now());
      await pause(Math.max(0, due - performance.now()));
    }
  }

  #send(): Promise<void> {
    const { send } = this.#opened;
    if (send === undefined) return Promise.resolve();
    const number = this.#next++;
    const { poisonEvery = Number.POSITIVE_INFINITY } = this.#options;
    const isPoison = number % poisonEvery === poisonEvery - 1;
    const usual = this.#keys[number % this.#keys.length] ?? "key";
    const key = isPoison ? `poison-${number}` : usual;
    const sequence = (this.#sequences.get(key) ?? 0) + 1;
    this.#sequences.set(key, sequence);
    const event = { key, sequence, uuid: randomUUID() };
    const sent = Date.now();
    const note = (durable: boolean) => {
      this.produced.push({ ...event, durable, sent, at: Date.now() });
      if (durable) this.#durable++;
    };
    if (isPoison) this.poison.add(event.uuid);
    const sending = send(isPoison ? { ...event, do: "refuse:99" } : event).then(
      () => note(true),
      () => note(false),
    );
    this.#open.add(sending);
    void sending.finally(() => this.#open.delete(sending));
    return sending;
  }
}

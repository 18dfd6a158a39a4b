import type { Readable } from "node:stream";

/**
 * What a connection brings, worked through piece by piece. Meanwhile its socket is not read, so that the server waits:
 * no more is held than what one read brought.
 */
export class Intake<Item> {
  readonly #stream: Readable;
  readonly #take: (items: readonly Item[]) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #items: Item[] = [];
  #isBusy = false;
  #isStopped = false;

  constructor(
    stream: Readable,
    take: (items: readonly Item[]) => Promise<void>,
    failed: (error: unknown) => void,
  ) {
    this.#stream = stream;
    this.#take = take;
    this.#failed = failed;
  }

  /** Whether the socket waits, so that nothing can be heard of the server. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#isBusy) return;
    this.#isBusy = true;
    if (!this.#isStopped) this.#stream.pause();
    // The rest of what was read at one time follows first.
    queueMicrotask(() => void this.#work());
  }

  /** From now on the socket is left as it is. What is there is still worked through. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Leaves what more there is to the server. */
  pause(): void {
    this.#stream.pause();
  }

  /** Reads the socket again, for what the server has to say beside. */
  resume(): void {
    this.#stream.resume();
  }

  async #work(): Promise<void> {
    try {
      while (this.#items.length > 0) {
        const items = this.#items;
        this.#items = [];
        await this.#take(items);
      }
    } catch (error) {
      this.#failed(error);
      return;
    } finally {
      this.#isBusy = false;
    }
    if (!this.#isStopped) this.#stream.resume();
  }
}

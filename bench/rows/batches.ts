// A broker takes 1 MiB in one request at the most.
const largest = 500;
const underWay = 2;

/** Sends what is added in batches: at once while few are under way, else with what gathers until one is answered. */
export class Batches<Item> {
  readonly #send: (items: Item[]) => Promise<void>;
  #waiting: { readonly item: Item; readonly sent: PromiseWithResolvers<void> }[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(send: (items: Item[]) => Promise<void>) {
    this.#send = send;
  }

  /** Resolves, or rejects, with the batch it went in. */
  add(item: Item): Promise<void> {
    const sent = Promise.withResolvers<void>();
    this.#waiting.push({ item, sent });
    this.#schedule();
    return sent.promise;
  }

  /** What is added in one turn of the event loop goes together. */
  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#underWay >= underWay) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#sendNext();
    });
  }

  async #sendNext(): Promise<void> {
    const batch = this.#waiting.splice(0, largest);
    this.#underWay++;
    this.#schedule();
    try {
      await this.#send(batch.map(({ item }) => item));
      for (const { sent } of batch) sent.resolve();
    } catch (error) {
      for (const { sent } of batch) sent.reject(error);
    }
    this.#underWay--;
    this.#schedule();
  }
}

const largest = 500;

/** Collects what is added in one turn of the event loop, and hands it over together. */
export class Batches<Item> {
  readonly #send: (items: Item[]) => Promise<void>;
  #items: Item[] = [];
  #sent: PromiseWithResolvers<void> | undefined;

  constructor(send: (items: Item[]) => Promise<void>) {
    this.#send = send;
  }

  /** Resolves, or rejects, with the batch it went in. */
  add(item: Item): Promise<void> {
    this.#items.push(item);
    if (this.#sent === undefined) {
      this.#sent = Promise.withResolvers();
      setImmediate(() => this.#flush());
    }
    const { promise } = this.#sent;
    if (this.#items.length >= largest) this.#flush();
    return promise;
  }

  #flush(): void {
    const [items, sent] = [this.#items, this.#sent];
    if (sent === undefined || items.length === 0) return;
    this.#items = [];
    this.#sent = undefined;
    this.#send(items).then(sent.resolve, sent.reject);
  }
}

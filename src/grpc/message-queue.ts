type Waiting<Value> = PromiseWithResolvers<IteratorResult<Value, undefined>>;

/** Items that were taken stay in the array until there are so many, or it is empty. */
const compactedAt = 64;

/**
 * A queue between a producer that pushes and one consumer that iterates. What was pushed before the
 * end or the failure is handed out before it.
 */
export class MessageQueue<Item, Value> implements AsyncIterableIterator<Value, undefined> {
  #items: Item[] = [];
  #next = 0;
  #waiting: Waiting<Value>[] = [];
  #ended = false;
  #failure: Error | undefined;
  #finished = false;
  readonly #take: (item: Item) => Value | Promise<Value>;
  readonly #finish: (early: boolean) => void;

  /**
   * `take` turns an item into what the consumer gets, when it gets it. `finish` is called once when the
   * consumer was told the end, or left: `early` when that was before the end.
   */
  constructor(take: (item: Item) => Value | Promise<Value>, finish: (early: boolean) => void) {
    this.#take = take;
    this.#finish = finish;
  }

  push(item: Item): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting.resolve(this.#result(item));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release();
  }

  /** Ends with an error, which is thrown once, after what was pushed before. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    this.#release();
  }

  /** Ends with an error instead of what was not taken yet, its end included. */
  abort(error: Error): void {
    if (this.#finished) return;
    this.#clear();
    this.#ended = true;
    this.#failure = error;
    this.#release();
  }

  next(): Promise<IteratorResult<Value, undefined>> {
    if (this.#next < this.#items.length) {
      const item = this.#items[this.#next++] as Item;
      if (this.#next === this.#items.length) this.#clear();
      else if (this.#next >= compactedAt && this.#next * 2 >= this.#items.length) {
        this.#items = this.#items.slice(this.#next);
        this.#next = 0;
      }
      return Promise.resolve(this.#result(item));
    }
    const waiting: Waiting<Value> = Promise.withResolvers();
    this.#waiting.push(waiting);
    if (this.#ended) this.#release();
    return waiting.promise;
  }

  return(): Promise<IteratorResult<Value, undefined>> {
    this.#clear();
    this.#failure = undefined;
    const early = !this.#ended;
    this.end();
    this.#over(early);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #result(item: Item): IteratorYieldResult<Value> | Promise<IteratorYieldResult<Value>> {
    const value = this.#take(item);
    if (!(value instanceof Promise)) return { value, done: false };
    return value.then(
      (one) => ({ value: one, done: false }),
      (error: unknown) => {
        // An item that cannot be taken is the end, and was told.
        this.#clear();
        this.#ended = true;
        this.#failure = undefined;
        this.#over(false);
        throw error;
      },
    );
  }

  #release(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const { resolve, reject } of waiting) {
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure === undefined) resolve({ value: undefined, done: true });
      else reject(failure);
    }
    this.#over(false);
  }

  #over(early: boolean): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#finish(early);
  }

  #clear(): void {
    this.#items = [];
    this.#next = 0;
  }
}

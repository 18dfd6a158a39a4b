/**
 * A map for what comes and goes thousands of times a second, as events do. A `Map` makes itself a new table each time
 * its table is used up, and the old one leads to the new one. Once the collector of young objects has taken one of them
 * for old, all later ones, and every value that was ever in them, stay until the next full collection: each is copied
 * twice, and the heap grows by all events that pass. Here the tables hold keys and places, and the values are apart.
 */
export class TurnoverMap<Key extends string | number, Value> {
  readonly #places = new Map<Key, number>();
  readonly #values: (Value | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.size;
  }

  has(key: Key): boolean {
    return this.#places.has(key);
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  set(key: Key, value: Value): void {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#values.length;
      this.#places.set(key, place);
    }
    this.#values[place] = value;
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    this.#values[place] = undefined;
    this.#free.push(place);
    return true;
  }

  clear(): void {
    this.#places.clear();
    this.#values.length = 0;
    this.#free.length = 0;
  }

  /** In the order in which the keys came. What is deleted meanwhile does not come any more. */
  *values(): Generator<Value> {
    for (const place of this.#places.values()) yield this.#values[place] as Value;
  }
}

/** Places at first. */
const fewest = 16;
/** So many are kept: a table that came and went with each turn would cost more. */
const mostKept = 1024;

/**
 * Streams by their ids. A `Map` leaves a table behind for every so many entries that come and go, and each keeps the next
 * one, with all that is in it, until the old generation is collected: with one stream a call, nothing would die young.
 */
export class StreamTable<Stream extends { readonly id: number }> {
  /** At most half of the places are taken. A stream is at its place, or at the next one that was free. */
  #places: (Stream | undefined)[] = emptyPlaces(fewest);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    const places = this.#places;
    const mask = places.length - 1;
    for (let place = (id >>> 1) & mask; ; place = (place + 1) & mask) {
      const stream = places[place];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** Adds a stream whose id is not there yet. */
  add(stream: Stream): void {
    this.#size += 1;
    if (this.#size * 2 > this.#places.length) this.#resize(this.#places.length * 2);
    put(this.#places, stream);
  }

  delete(id: number): boolean {
    const places = this.#places;
    const mask = places.length - 1;
    let free = (id >>> 1) & mask;
    while (places[free]?.id !== id) {
      if (places[free] === undefined) return false;
      free = (free + 1) & mask;
    }
    places[free] = undefined;
    // Those behind that could not have their own place move up, so that they are found without a gap.
    for (let place = (free + 1) & mask; ; place = (place + 1) & mask) {
      const stream = places[place];
      if (stream === undefined) break;
      const distance = (place - (stream.id >>> 1)) & mask;
      if (distance < ((place - free) & mask)) continue;
      places[free] = stream;
      places[place] = undefined;
      free = place;
    }
    this.#size -= 1;
    if (places.length > mostKept && this.#size * 16 < places.length)
      this.#resize(places.length / 2);
    return true;
  }

  /** All of them, as they are now. */
  values(): Stream[] {
    return this.#places.filter((stream) => stream !== undefined);
  }

  #resize(length: number): void {
    const places = emptyPlaces<Stream>(length);
    for (const stream of this.#places) if (stream !== undefined) put(places, stream);
    this.#places = places;
  }
}

function emptyPlaces<Stream>(length: number): (Stream | undefined)[] {
  return Array.from({ length }, () => undefined);
}

function put<Stream extends { readonly id: number }>(
  places: (Stream | undefined)[],
  stream: Stream,
): void {
  const mask = places.length - 1;
  let place = (stream.id >>> 1) & mask;
  while (places[place] !== undefined) place = (place + 1) & mask;
  places[place] = stream;
}

import type { HeaderField } from "./header-field.ts";
import { headerField, kindOfField, kindOfName } from "./header-field.ts";

/** RFC 7541 Appendix A, without empty values. */
const staticText =
  ":authority|:method:GET|:method:POST|:path:/|:path:/index.html|:scheme:http|:scheme:https|:status:200|:status:204|" +
  ":status:206|:status:304|:status:400|:status:404|:status:500|accept-charset|accept-encoding:gzip, deflate|" +
  "accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|" +
  "content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|" +
  "cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|" +
  "last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|" +
  "server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate";

/** The entry of index n is at n − 1. */
export const staticTable: readonly HeaderField[] = staticText.split("|").map((entry) => {
  const colon = entry.indexOf(":", 1);
  const name = colon < 0 ? entry : entry.slice(0, colon);
  const value = colon < 0 ? "" : entry.slice(colon + 1);
  return headerField(name, value, kindOfField(kindOfName(name), value));
});

/** The index of the youngest entry of a dynamic table. */
const firstDynamicIndex = 62;

/** SETTINGS_HEADER_TABLE_SIZE before any SETTINGS (RFC 9113 6.5.2). */
export const defaultTableSize = 4096;

/** A dynamic table (RFC 7541 2.3.2 and 4). */
export class HpackTable {
  /** The most bytes of entries, as RFC 7541 4.1 counts them. */
  #maxSize: number;
  #size = 0;
  /** A ring whose length is a power of two. */
  #ring: (HeaderField | undefined)[] = [];
  #mask = -1;
  /** Entries that were ever added; the youngest one is at `#added - 1`. */
  #added = 0;
  #count = 0;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  get size(): number {
    return this.#size;
  }

  get count(): number {
    return this.#count;
  }

  /** How many entries were ever added: the number of the next one. */
  get added(): number {
    return this.#added;
  }

  /** The entry of an index of RFC 7541 2.3.3, from 1 on; undefined where there is none. */
  get(index: number): HeaderField | undefined {
    if (index < firstDynamicIndex) return staticTable[index - 1];
    const back = index - firstDynamicIndex;
    return back < this.#count ? this.#ring[(this.#added - 1 - back) & this.#mask] : undefined;
  }

  /** Whether the entry of this number (see `added`) is still there. */
  has(number: number): boolean {
    return number >= this.#added - this.#count;
  }

  /** The index of the entry of this number. */
  indexOf(number: number): number {
    return firstDynamicIndex + this.#added - 1 - number;
  }

  /** Adds an entry, and removes the oldest ones for it; one larger than the table empties it (RFC 7541 4.4). */
  add(field: HeaderField): void {
    this.#shrink(this.#maxSize - field.size);
    if (field.size > this.#maxSize) return;
    if (this.#count > this.#mask) this.#grow();
    this.#ring[this.#added & this.#mask] = field;
    this.#added++;
    this.#count++;
    this.#size += field.size;
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#shrink(maxSize);
  }

  #shrink(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const place = (this.#added - this.#count) & this.#mask;
      this.#size -= (this.#ring[place] as HeaderField).size;
      this.#ring[place] = undefined;
      this.#count--;
    }
  }

  #grow(): void {
    const ring = this.#ring;
    const length = Math.max(16, ring.length * 2);
    const larger = Array.from<HeaderField | undefined>({ length });
    for (let number = this.#added - this.#count; number < this.#added; number++)
      larger[number & (length - 1)] = ring[number & this.#mask];
    this.#ring = larger;
    this.#mask = length - 1;
  }
}

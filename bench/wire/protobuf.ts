// As much of protobuf as the apps of the bench need, by hand, so that they cost less than what they measure.

/** Walks the fields of a message. Usage: `while (cursor.next(bytes)) if (cursor.field === 2) …`. */
export class Cursor {
  /** The field's number, and what it holds: a number, or bytes from `start` to `end`. */
  field = 0;
  value = 0;
  start = 0;
  end = 0;
  #at = 0;
  #limit = 0;

  /** Begins at a message within the bytes. */
  reset(start: number, end: number): void {
    this.#at = start;
    this.#limit = end;
  }

  /** Goes to the next field. False: there is none. */
  next(bytes: Uint8Array): boolean {
    if (this.#at >= this.#limit) return false;
    const tag = this.#varint(bytes);
    this.field = tag >>> 3;
    const type = tag & 7;
    if (type === 0) this.value = this.#varint(bytes);
    else if (type === 2) {
      const length = this.#varint(bytes);
      this.start = this.#at;
      this.end = this.#at += length;
    } else if (type === 1) this.#at += 8;
    else if (type === 5) this.#at += 4;
    else throw new Error(`no field begins with ${tag}`);
    if (this.#at > this.#limit) throw new Error("a message ends within a field");
    return true;
  }

  #varint(bytes: Uint8Array): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }
}

/** Bytes of the number as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes the number as a varint and returns where it ends. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[next++] = (rest % 128) | 0x80;
  bytes[next++] = rest;
  return next;
}

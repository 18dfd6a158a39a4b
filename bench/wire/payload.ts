// The 1 KiB that every operation carries. In events it begins with three numbers of fixed width, so that an
// app can check them without parsing: key, place within the key, and when the event was meant to be sent.

/** Bytes of a payload. */
export const payloadBytes = 1024;

/** Same bytes each time, for calls. */
export const plainPayload = Buffer.alloc(payloadBytes, "0123456789abcdef");

const keyDigits = 8;
const placeDigits = 8;
const stampDigits = 16;
const headDigits = keyDigits + placeDigits + stampDigits;

/** An event's payload. `stamp`: microseconds of the clock that all processes of a machine share, 0 for none. */
export function eventPayload(key: number, place: number, stamp: number): Buffer {
  const payload = Buffer.from(plainPayload);
  const head =
    String(key).padStart(keyDigits, "0") +
    String(place).padStart(placeDigits, "0") +
    String(Math.round(stamp)).padStart(stampDigits, "0");
  payload.write(head, 0, "latin1");
  return payload;
}

/** The numbers at the start of an event's payload, which begins at `offset`. */
export type EventHead = { key: number; place: number; stamp: number };

/** Reads the numbers into `head`, which saves an object an event. False: this is no payload of ours. */
export function readEventHead(bytes: Uint8Array, offset: number, head: EventHead): boolean {
  if (offset + headDigits > bytes.length) return false;
  head.key = digits(bytes, offset, keyDigits);
  head.place = digits(bytes, offset + keyDigits, placeDigits);
  head.stamp = digits(bytes, offset + keyDigits + placeDigits, stampDigits);
  return !Number.isNaN(head.key + head.place + head.stamp);
}

function digits(bytes: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let index = from; index < from + count; index++) {
    const digit = bytes[index]! - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** Microseconds of the clock that all processes of this machine share. */
export function nowMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

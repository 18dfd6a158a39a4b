import { randomBytes } from "node:crypto";
import type { InboundEvent } from "../binding.ts";

/** Which traces are recorded: decided where they begin, by plain numbers, before anything is made for it. */
export type Sampling = {
  /** A trace is recorded whose random 32 bits are at least that: 0 is all of them, 2³² none. */
  readonly threshold: number;
  /** What a caller has decided counts. False: each trace is judged by its id, whoever began it. */
  readonly heedsCaller: boolean;
};

/** The W3C trace context that an event brought along, or one begun here. */
export function traceOf(
  event: Pick<InboundEvent, "headers" | "metadata" | "trace">,
  sampling?: Sampling,
): Record<string, string> {
  const trace: Record<string, string> = {};
  const parent = fieldOf(event, "traceparent");
  const isTraced = isTraceparent(parent);
  trace["traceparent"] = isTraced ? heed(parent, sampling) : beginTrace(sampling?.threshold);
  const state = isTraced ? fieldOf(event, "tracestate") : undefined;
  if (state !== undefined && state !== "") trace["tracestate"] = state;
  const baggage = fieldOf(event, "baggage");
  if (baggage !== undefined && baggage !== "") trace["baggage"] = baggage;
  return trace;
}

/** Whether the event brought a trace context along. */
export function isTraced(event: Pick<InboundEvent, "headers" | "metadata" | "trace">): boolean {
  return isTraceparent(fieldOf(event, "traceparent"));
}

/** The traceparents of an event beside the one that counts: who puts several messages into one names several causes. */
export function otherTraces({ headers }: Pick<InboundEvent, "headers">): string[] {
  const all = headers
    .filter(({ name }) => name.toLowerCase() === "traceparent")
    .map(({ value }) => Buffer.from(value).toString("utf8"));
  const counts = all.pop();
  return [...new Set(all)].filter((one) => one !== counts && isTraceparent(one));
}

/** A caller's traceparent, its flag set by what is decided here. */
export function heed(traceparent: string, sampling: Sampling | undefined): string {
  if (sampling === undefined || sampling.heedsCaller) return traceparent;
  const wanted = randomBitsOf(traceparent) >= sampling.threshold;
  if (wanted === isSampled(traceparent)) return traceparent;
  const digit = flipped[valueOf(traceparent.charCodeAt(flagDigit))] ?? "0";
  const front = traceparent.slice(0, flagDigit) + digit;
  return traceparent.length === parentLength ? front : front + traceparent.slice(parentLength);
}

/** 32 of the random bits of a trace id. Digit by digit: each call has one, and a text to be parsed would be made anew. */
function randomBitsOf(traceparent: string): number {
  let bits = 0;
  for (let index = 21; index < 29; index++) {
    bits = bits * 16 + valueOf(traceparent.charCodeAt(index));
  }
  return bits;
}

/** The value of a hexadecimal digit. */
function valueOf(digit: number): number {
  return (digit & 15) + (digit < 0x40 ? 0 : 9);
}

/** Whether work of this traceparent is recorded: the lowest bit of its flags. */
export function isSampled(traceparent: string | undefined): traceparent is string {
  if (traceparent === undefined || traceparent.length < parentLength) return false;
  const digit = traceparent.charCodeAt(flagDigit);
  return (digit & 1) === (digit < 0x40 ? 1 : 0);
}

/** The last header of that name counts, and else what the binding says. */
function fieldOf(
  { headers, metadata, trace }: Pick<InboundEvent, "headers" | "metadata" | "trace">,
  field: string,
): string | undefined {
  if (trace !== undefined) return trace[field];
  for (let index = headers.length - 1; index >= 0; index--) {
    const header = headers[index];
    if (header?.name.length === field.length && header.name.toLowerCase() === field)
      return Buffer.from(header.value).toString("utf8");
  }
  return metadata[field];
}

/**
 * Whether the text is a W3C traceparent with real ids: a version, a trace and a span in lower-case hexadecimal digits, and
 * flags; later versions may have more behind a dash. Each call has one, for which an expression takes several times as long.
 */
export function isTraceparent(text: string | undefined): text is string {
  if (text === undefined || text.length < parentLength) return false;
  if (text.length > parentLength && !(text.charCodeAt(parentLength) === dash && isOneLine(text)))
    return false;
  // The version ff means none.
  if (text.charCodeAt(0) === letterF && text.charCodeAt(1) === letterF) return false;
  return (
    digitsOf(text, 0, 2) >= 0 &&
    text.charCodeAt(2) === dash &&
    digitsOf(text, 3, 35) > 0 &&
    text.charCodeAt(35) === dash &&
    digitsOf(text, 36, 52) > 0 &&
    text.charCodeAt(52) === dash &&
    digitsOf(text, 53, 55) >= 0
  );
}

const parentLength = 55;
/** Where the digit is whose lowest bit says sampled. */
const flagDigit = 54;
/** By a digit's value, the digit with its lowest bit turned. */
const flipped = "1032547698badcfe";
const dash = 0x2d;
const letterF = 0x66;
const zero = 0x30;

/** How many of the digits are other than 0; -1: one of the characters is no digit. */
function digitsOf(text: string, start: number, end: number): number {
  let others = 0;
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code === zero) continue;
    if (!((code > zero && code <= 0x39) || (code > 0x60 && code <= letterF))) return -1;
    others += 1;
  }
  return others;
}

function isOneLine(text: string): boolean {
  return !/[\n\r\u2028\u2029]/.test(text);
}

const digits = Buffer.from("0123456789abcdef");
const traceIdBytes = 16;
const idBytes = 24;
const firstId = 3;
let pool = Buffer.alloc(0);
let used = 0;
const begun = Buffer.from(`00-${"0".repeat(32)}-${"0".repeat(16)}-00`);

/** Where {@link Sampling} looks: the first of the random bytes of a trace id that W3C's second level promises. */
const firstRandom = 9;
const never = 2 ** 32;

/** A fresh traceparent; sampled where its random bits are at least the threshold. */
export function beginTrace(threshold = never): string {
  // Random bytes are asked for in blocks: one system call for 340 traces.
  if (used === pool.length) {
    pool = randomBytes(idBytes * 340);
    used = 0;
  }
  // Each event has one: in place, this costs half of what two calls for hexadecimal digits do.
  begun[54] = isAbove(threshold) ? 0x31 : zero;
  let at = firstId;
  for (let index = 0; index < idBytes; index++) {
    if (index === traceIdBytes) at++;
    const byte = pool[used++] ?? 0;
    begun[at++] = digits[byte >> 4] ?? 0;
    begun[at++] = digits[byte & 15] ?? 0;
  }
  return begun.toString("latin1");
}

/** Whether the bits of the trace whose bytes are next are at least that. */
function isAbove(threshold: number): boolean {
  if (threshold === never) return false;
  return pool.readUInt32BE(used + firstRandom) >= threshold;
}

/** A traceparent of the same trace, with a span of its own. */
export function childOf(traceparent: string | undefined): string {
  const begun = beginTrace();
  if (!isTraceparent(traceparent)) return begun;
  return `00-${traceparent.slice(3, 35)}-${spanOf(begun)}-${traceparent.slice(53, 55)}`;
}

/** The id of a traceparent's span. */
export function spanOf(traceparent: string): string {
  return traceparent.slice(36, 52);
}

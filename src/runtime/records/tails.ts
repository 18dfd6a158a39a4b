import { clock } from "../../clock.ts";
import { BindingError } from "../../errors.ts";
import { delay } from "../../delay.ts";
import type { HistoryRecord, StoredEvent } from "../../store/records.ts";
import type { Entry } from "../delivery/entry.ts";
import { recordOf, type End } from "./history-ring.ts";

export type TailOptions = {
  /** Of this component alone; `undefined`: of all. */
  readonly component: string | undefined;
  /** The most events a second. */
  readonly rate: number;
  /** Payloads of more bytes are cut. */
  readonly maxData: number;
};

/** An event that has come to its end, with as much of it as is shown. */
export type TailedEvent = Omit<StoredEvent, "id"> & {
  readonly record: HistoryRecord;
  /** Bytes of the whole payload. */
  readonly dataSize: number;
  /** Headers and metadata that are left out, since they are too large together. */
  readonly omitted: number;
};

/** An event, or `undefined`; and how many were left out before it. */
export type Tailed = { readonly event: TailedEvent | undefined; readonly leftOut: number };

/** How many may be watched at one time. */
const mostTails = 32;
/** What waits for one who watches, in bytes. */
const mostWaiting = 1024 * 1024;
/** Headers and metadata of an event that are shown, in bytes. */
const mostHeaders = 16 * 1024;
/** Those that were left out are told after so long, where no event is. Milliseconds. */
const tellingLeftOut = 1_000;
/** Something is said at least this often. Milliseconds. */
const stillThere = 15_000;

/**
 * Those who watch events as they end. Nothing waits for them: each is shown so many a second, and no more than he has room for;
 * of the rest he hears how many they were.
 */
export class Tails {
  readonly #tails = new Set<Tail>();

  get isEmpty(): boolean {
    return this.#tails.size === 0;
  }

  /** Rejects one too many. The caller disposes of it. */
  open(options: TailOptions, onEnd: () => void): Tail {
    if (this.#tails.size >= mostTails)
      throw new BindingError(
        "resource_exhausted",
        `events are watched ${mostTails} times already; end one of those first`,
      );
    const tail: Tail = new Tail(options, () => {
      this.#tails.delete(tail);
      onEnd();
    });
    this.#tails.add(tail);
    return tail;
  }

  /** An event has ended. Never throws. */
  offer(component: string, entry: Entry, end: End, now: number): void {
    for (const tail of this.#tails) tail.offer(component, entry, end, now);
  }
}

/** One who watches. */
export class Tail implements Disposable {
  readonly #options: TailOptions;
  readonly #onEnd: () => void;
  #waiting: { event: TailedEvent; bytes: number }[] = [];
  #bytes = 0;
  #leftOut = 0;
  #credit: number;
  #creditAt = clock.elapsed();
  #wake: AbortController | undefined;

  constructor(options: TailOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#credit = options.rate;
  }

  offer(component: string, entry: Entry, end: End, now: number): void {
    const { component: wanted, maxData } = this.#options;
    if (wanted !== undefined && wanted !== component) return;
    const isFirst = this.#waiting.length === 0;
    if (this.#bytes >= mostWaiting || !this.#take()) {
      this.#leftOut++;
      if (isFirst && this.#leftOut === 1) this.#wake?.abort();
      return;
    }
    const event = shown(component, entry, end, now, maxData);
    const bytes = sizeOf(event);
    this.#waiting.push({ event, bytes });
    this.#bytes += bytes;
    if (isFirst) this.#wake?.abort();
  }

  /** The next event, or how many were left out; at least every 15 seconds. `undefined`: the signal was aborted. */
  async next(signal: AbortSignal): Promise<Tailed | undefined> {
    const since = clock.elapsed();
    while (!signal.aborted) {
      const first = this.#waiting.shift();
      const waited = clock.elapsed() - since;
      const left = (this.#leftOut > 0 ? tellingLeftOut : stillThere) - waited;
      if (first !== undefined || left <= 0) {
        this.#bytes -= first?.bytes ?? 0;
        const leftOut = this.#leftOut;
        this.#leftOut = 0;
        return { event: first?.event, leftOut };
      }
      this.#wake = new AbortController();
      await delay(left, AbortSignal.any([signal, this.#wake.signal]));
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#waiting = [];
    this.#bytes = mostWaiting;
    this.#onEnd();
  }

  #take(): boolean {
    const { rate } = this.#options;
    const now = clock.elapsed();
    this.#credit = Math.min(rate, this.#credit + ((now - this.#creditAt) * rate) / 1000);
    this.#creditAt = now;
    if (this.#credit < 1) return false;
    this.#credit--;
    return true;
  }
}

/** Copies: what is shown must not keep what it is a part of. */
function shown(
  component: string,
  entry: Entry,
  end: End,
  now: number,
  maxData: number,
): TailedEvent {
  const { data, headers, metadata, key } = entry.event;
  let room = mostHeaders;
  let omitted = 0;
  const fits = (bytes: number): boolean => {
    const isSmall = bytes <= room;
    if (isSmall) room -= bytes;
    else omitted++;
    return isSmall;
  };
  const shownHeaders: { name: string; value: Uint8Array }[] = [];
  for (const { name, value } of headers)
    if (fits(name.length + value.length)) shownHeaders.push({ name, value: copy(value) });
  const shownMetadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata))
    if (fits(name.length + value.length)) shownMetadata[name] = value;
  return {
    record: recordOf(component, entry, end, now),
    data: data && copy(data.subarray(0, maxData)),
    dataSize: data?.length ?? 0,
    ...{ headers: shownHeaders, metadata: shownMetadata, omitted },
    key: typeof key === "object" ? copy(key.subarray(0, mostKey)) : key?.slice(0, mostKey),
  };
}

const mostKey = 1024;

function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function sizeOf({ record, data, headers, metadata }: TailedEvent): number {
  let size = 512 + (data?.length ?? 0) + record.reason.length;
  for (const { answer } of record.attempts) size += 64 + answer.length;
  for (const { name, value } of headers) size += name.length + value.length;
  for (const [name, value] of Object.entries(metadata)) size += name.length + value.length;
  return size;
}

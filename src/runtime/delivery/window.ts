import { assuredBytes, type MemoryShare } from "../../memory/budget.ts";
import { Waiters } from "../waiters.ts";

/** The most events and bytes that one source (Kafka: one partition) may be ahead of its oldest unsettled event. */
export const windowLimits = { events: 10_000, bytes: 64 * 1024 * 1024 } as const;
/** The most bytes of all sources of a component together. */
const mostBytes = 4 * windowLimits.bytes;
/** A component that holds less than this is read on however full the memory budget is, so that others cannot stop it. */
const assuredWindow = 1024 * 1024;

/** What a window knows of an event in it. */
export type WindowEntry = {
  /** Of the event, and of what is kept for it. The window changes it, see {@link Window.grow}. */
  bytes: number;
  readonly label: string | undefined;
  /** When it came, in milliseconds since 1970. */
  readonly since: number;
  settled: boolean;
  /** The window's own. */
  position: number;
};

/** The events of one source from its oldest unsettled one on, in the order of the source. */
export class Window {
  /** The name of the source within its component; empty: it has only one. */
  readonly source: string;
  readonly #memory: MemoryShare | undefined;
  /** Those that are settled are let go at once, payload and all, though others before them are not. */
  #places: (WindowEntry | undefined)[] = [];
  /** How many were taken out at the front. */
  #gone = 0;
  #head = 0;
  #bytes = 0;
  readonly #room = new Waiters();

  /** What is in it counts in the memory too. */
  constructor(source = "", memory?: MemoryShare) {
    this.source = source;
    this.#memory = memory;
  }

  /** Takes an event in at the end, which {@link leave} takes out. */
  enter(place: WindowEntry): void {
    place.position = this.#gone + this.#places.length;
    this.#places.push(place);
    this.#bytes += place.bytes;
    this.#memory?.add(place.bytes);
  }

  /** Counts so many bytes more that are kept for an event in it. False: the memory has no room for them. */
  grow(place: WindowEntry, bytes: number): boolean {
    if (bytes > assuredBytes && this.#memory?.reserve(bytes) === false) return false;
    if (bytes <= assuredBytes) this.#memory?.add(bytes);
    place.bytes += bytes;
    this.#bytes += bytes;
    return true;
  }

  leave(place: WindowEntry): void {
    place.settled = true;
    this.#places[place.position - this.#gone] = undefined;
    this.#bytes -= place.bytes;
    this.#memory?.release(place.bytes);
    this.#advance();
  }

  /** Of the unsettled events. */
  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return (
      this.#places.length - this.#head >= windowLimits.events || this.#bytes >= windowLimits.bytes
    );
  }

  /** The oldest unsettled event, which holds the source once the window is full. */
  get oldest(): { label: string; since: Date } | undefined {
    const place = this.#places[this.#head];
    return place && { label: place.label ?? "an event without id", since: new Date(place.since) };
  }

  /** Resolves once there is room. */
  async room(): Promise<void> {
    while (this.full) await this.#room.next();
  }

  #advance(): void {
    while (this.#head < this.#places.length && this.#places[this.#head] === undefined) this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#places.length) {
      this.#places.splice(0, this.#head);
      this.#gone += this.#head;
      this.#head = 0;
    }
    if (!this.full) this.#room.wake();
  }
}

/** The windows of a component's sources. */
export class Windows {
  readonly #windows = new Map<string, Window>();
  readonly #memory: MemoryShare | undefined;

  constructor(memory?: MemoryShare) {
    this.#memory = memory;
  }

  /** The window of a source, made at its first event. */
  of(source: string): Window {
    let window = this.#windows.get(source);
    if (window === undefined)
      this.#windows.set(source, (window = new Window(source, this.#memory)));
    return window;
  }

  /** Whether all together hold as much as one component may, or as the memory has room for. */
  get full(): boolean {
    let bytes = 0;
    for (const window of this.#windows.values()) bytes += window.bytes;
    return bytes >= mostBytes || (bytes >= assuredWindow && this.#memory?.isFull === true);
  }

  /** The event at which a full window stands still, if one does. */
  get heldBy(): { label: string; since: Date } | undefined {
    for (const window of this.#windows.values()) if (window.full) return window.oldest;
    return this.full ? this.oldest : undefined;
  }

  /** The event that has been here longest. */
  get oldest(): { label: string; since: Date } | undefined {
    let oldest: { label: string; since: Date } | undefined;
    for (const { oldest: one } of this.#windows.values())
      if (one !== undefined && (oldest === undefined || one.since < oldest.since)) oldest = one;
    return oldest;
  }
}

import type { Timer } from "../../clock.ts";
import type { Answer, InboundEvent, Settlement } from "../../binding.ts";
import type { LaneReference, Reply } from "../app.ts";
import type { Entry } from "./entry.ts";

let lastNumber = 0;
let step = 1;

/** Has this thread's lanes numbered `first` and by that distance, so that those of other threads have other numbers. */
export function numberLanes(first: number, distance: number): void {
  lastNumber = first - distance;
  step = distance;
}

/** Events that must be handled one after another; those without a key have a lane each. */
export class Lane implements LaneReference {
  readonly key: string | undefined;
  readonly number: number;
  epoch = 0;
  carrier: object | undefined = undefined;
  readonly entries: Entry[] = [];
  /** How many entries, from the first on, were dispatched in this epoch. */
  sent = 0;
  /** How many of them are with the app, or with their fan-out. */
  out = 0;
  /** `listed`: in line to dispatch; `aside`: until the app takes more; `held`: until its next is prepared; `parked`: for a pause. */
  place: "idle" | "listed" | "aside" | "held" | "parked" = "idle";
  /** One came back unhandled: nothing is dispatched until all that are out have come back. */
  ending = false;
  timer: Timer | undefined;
  /** Until when it is parked, in milliseconds since 1970. */
  parkedUntil = 0;

  constructor(key: string | undefined) {
    this.key = key;
    // As the wire counts: 32 bits, and 0 says that there is no lane.
    lastNumber = lastNumber + step > 0xffff_ffff ? (lastNumber % step) + step : lastNumber + step;
    this.number = lastNumber;
  }

  /** The next to dispatch, unless the lane must begin again first. */
  get next(): Entry | undefined {
    return this.ending ? undefined : this.entries[this.sent];
  }

  /** How many entries were not dispatched in this epoch. */
  get undispatched(): number {
    return this.entries.length - this.sent;
  }

  /** Whether its first is on its way to where its component sends what is exhausted, and does not wait. */
  get mustDispose(): boolean {
    const [first] = this.entries;
    return first?.exhausted !== undefined && first.pause === undefined;
  }

  /** Those whose fan-out waits are not out any more, and the app is not asked again. Returns how many. */
  putBackWaiting(): number {
    let count = 0;
    for (const entry of this.entries) {
      if (!entry.waiting) continue;
      entry.waiting = false;
      count++;
    }
    this.out -= count;
    return count;
  }

  /** The longest pause that its entries ask for, which none of them asks for any more. */
  takePause(): number | undefined {
    let pause: number | undefined;
    for (const entry of this.entries) {
      if (entry.pause !== undefined) pause = Math.max(pause ?? 0, entry.pause);
      entry.pause = undefined;
    }
    return pause;
  }

  /** Takes out an entry that is done with. */
  remove(entry: Entry): void {
    const index = this.entries[0] === entry ? 0 : this.entries.indexOf(entry);
    if (index === 0) this.entries.shift();
    else this.entries.splice(index, 1);
    if (index < this.sent) this.sent--;
  }
}

/** The text by which events are put into one lane; `undefined`: a lane of its own. */
export function keyOf(event: InboundEvent, orderKey: string): string | undefined {
  if (orderKey === "none") return undefined;
  if (orderKey.startsWith("header:")) {
    const name = orderKey.slice("header:".length).toLowerCase();
    const header = event.headers.findLast((one) => one.name.toLowerCase() === name);
    return header && Buffer.from(header.value).toString("latin1");
  }
  const { key } = event;
  if (key === undefined || typeof key === "string") return key;
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** What the source is told of a handled event: the reply without what was asked of the runtime. */
export function handledSettlement(reply: Reply | undefined): Settlement {
  if (reply === undefined) return handled;
  const { data, contentType } = reply;
  const answer: Answer & { contentType?: string } = {};
  if (data !== undefined) answer.data = data;
  if (contentType !== undefined) answer.contentType = contentType;
  return { outcome: "handled", reply: answer };
}

const handled: Settlement = { outcome: "handled" };

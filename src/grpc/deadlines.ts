/** A call that ends at some time. */
export type TimedCall = {
  /** Its time has come. */
  expire(): void;
};

/** So many milliseconds of deadlines are kept in one place. */
const slotWidth = 64;
/** So many such places there are: about a minute. A power of two. */
const slots = 1024;

/**
 * The deadlines of calls. Almost every call ends long before its own, and a timer costs a microsecond: a deadline is
 * only noted, beside others of about its time, and gets a timer of its own when that time is near. It is exact to what
 * timers are.
 */
class Deadlines {
  readonly #slots: Deadline[][] = [];
  #count = 0;
  /** The last slot that was looked at, counted from the start of the clock. */
  #looked = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Has the call expire at a time on the clock of `performance.now()`, which is `now`. */
  start(call: TimedCall, at: number, now: number): Deadline {
    const deadline = new Deadline(call, at);
    this.note(deadline, now);
    return deadline;
  }

  note(deadline: Deadline, now: number): void {
    if (deadline.at - now < 2 * slotWidth) return deadline.setTimer(now);
    if (this.#timer === undefined) this.#begin(now);
    // The slot before that of its time, for a timer of its own takes it from there.
    const wanted = Math.floor(deadline.at / slotWidth) - 1;
    // What is later than the last slot is looked at there, and put off again.
    const slot = Math.min(wanted, this.#looked + slots - 1) & (slots - 1);
    const list = (this.#slots[slot] ??= []);
    deadline.slot = slot;
    deadline.place = list.length;
    list.push(deadline);
    this.#count += 1;
  }

  forget(deadline: Deadline): void {
    const list = this.#slots[deadline.slot];
    const last = list?.pop();
    if (list === undefined || last === undefined) return;
    this.#count -= 1;
    if (last !== deadline) {
      list[deadline.place] = last;
      last.place = deadline.place;
    }
    deadline.slot = -1;
  }

  #begin(now: number): void {
    this.#looked = Math.floor(now / slotWidth);
    for (let slot = this.#slots.length; slot < slots; slot++) this.#slots.push([]);
    this.#timer = setInterval(() => this.#look(performance.now()), slotWidth);
    this.#timer.unref();
  }

  #look(now: number): void {
    const until = Math.floor(now / slotWidth);
    // A process that stood still has at most one round to make up for.
    const from = Math.max(this.#looked + 1, until - slots + 1);
    this.#looked = Math.max(this.#looked, until);
    for (let slot = from; slot <= until; slot++) {
      const at = slot & (slots - 1);
      const due = this.#slots[at];
      if (due === undefined || due.length === 0) continue;
      this.#slots[at] = [];
      this.#count -= due.length;
      for (const deadline of due) {
        deadline.slot = -1;
        this.note(deadline, now);
      }
    }
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

export class Deadline {
  /** On the clock of `performance.now()`. */
  readonly at: number;
  /** Where it is noted. -1: nowhere. */
  slot = -1;
  place = 0;
  #call: TimedCall | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(call: TimedCall, at: number) {
    this.#call = call;
    this.at = at;
  }

  setTimer(now: number): void {
    this.#timer = setTimeout(() => this.#call?.expire(), Math.max(1, Math.ceil(this.at - now)));
  }

  /** The call has ended. */
  clear(): void {
    this.#call = undefined;
    if (this.slot !== -1) deadlines.forget(this);
    else if (this.#timer !== undefined) clearTimeout(this.#timer);
  }
}

/** Those of this process. */
export const deadlines = new Deadlines();

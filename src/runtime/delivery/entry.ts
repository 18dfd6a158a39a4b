import { clock } from "../../clock.ts";
import type { InboundEvent } from "../../binding.ts";
import type { AttemptRecord, DeadLetter } from "../../store/records.ts";
import type { Reply } from "../app.ts";
import type { FanOut } from "./fan-out.ts";
import type { Identity } from "./identity.ts";
import { spanOf, traceOf, type Sampling } from "../trace.ts";
import type { Span } from "../tracer.ts";
import type { WindowEntry, Window } from "./window.ts";

/** Why an event will not be attempted again. */
export type Exhausted = {
  /** `exhausted`: its attempts are used up; `refused`: the app says that none will help. */
  readonly cause: "exhausted" | "refused";
  readonly reason: string;
  /** Why there is no other attempt, for people. */
  readonly why: string;
};

let lastNumber = 0;

/** An event on its way, with what its attempts so far have left. A class, since one is made for each event. */
export class Entry implements WindowEntry {
  /** No other entry has it. */
  readonly number = ++lastNumber;
  readonly event: InboundEvent;
  readonly window: Window;
  readonly trace: Readonly<Record<string, string>>;
  bytes: number;
  readonly since: number;
  /** Set where it is a dead letter's event, delivered once more. */
  readonly redriven: DeadLetter | undefined;
  settled = false;
  position = 0;
  /** How many replies in a row have led to it; 0: none, as far as is known. */
  generation = 0;
  failed = 0;
  lastError: string | undefined = undefined;
  /** The pause that its last attempt asks for before the lane begins again, in milliseconds. */
  pause: number | undefined = undefined;
  /** The reply is kept while its fan-out is not complete: the app is not asked again. */
  kept: { reply: Reply | undefined; fanOut: FanOut } | undefined = undefined;
  /** The app has answered, and the fan-out waits for that of an earlier event. */
  waiting = false;
  /** When the last attempt began, by `performance.now()`. 0: there was none. */
  attemptedAt = 0;
  /** How long the last attempt took, in milliseconds. */
  took = 0;
  /** Those that did not end well, oldest first, the last 100. */
  attempts: AttemptRecord[] | undefined = undefined;
  /** When its lease was renewed, in milliseconds since 1970. */
  renewals: number[] | undefined = undefined;
  failedRenewals: { at: number; reason: string }[] | undefined = undefined;
  /** Its lease has expired: it is returned, unless the app's answer comes first. */
  leaseExpired = false;
  /** It goes to no app any more, but where its component sends such events. */
  exhausted: Exhausted | undefined = undefined;
  /** Present once it has failed. */
  identity: Identity | undefined = undefined;
  /** How many attempts the store knows to have begun. */
  noted = 0;
  /** Something must be written or looked up before it can be dispatched, and that is under way. */
  preparing = false;
  /** To be told how the attempt has ended that a circuit breaker let through. */
  passed: ((succeeded: boolean | undefined) => void) | undefined = undefined;
  /** By what it is told from its duplicates, from its claim until it is settled. */
  claim: string | undefined = undefined;
  /** It was handled before, or is not looked for. `undefined`: nobody has looked yet. */
  duplicate: boolean | undefined = undefined;

  /** Present where its trace is sampled. */
  span: Span | undefined = undefined;
  /** Of the attempt that goes on. */
  attemptSpan: Span | undefined = undefined;

  constructor(
    event: InboundEvent,
    window: Window,
    redriven: DeadLetter | undefined,
    sampling?: Sampling,
  ) {
    this.event = event;
    this.window = window;
    this.trace = traceOf(event, sampling);
    this.bytes = event.data?.length ?? 0;
    this.since = clock.now();
    this.redriven = redriven;
  }

  get label(): string | undefined {
    return this.event.id;
  }

  /** returns its place in the window. */
  settle(): void {
    this.window.leave(this);
  }

  /** Keeps the app's reply for its fan-out. False: there is no room for it. */
  keep(reply: Reply | undefined, fanOut: FanOut): boolean {
    if (!this.window.grow(this, sizeOf(reply))) return false;
    this.kept = { reply, fanOut };
    return true;
  }

  /** Whether its next step is the app's. */
  get needsApp(): boolean {
    return this.kept === undefined && this.exhausted === undefined && this.duplicate !== true;
  }

  /** The W3C trace id. */
  get traceId(): string {
    return this.trace["traceparent"]?.slice(3, 35) ?? "";
  }

  /** For log lines that concern it: its trace, and the span that is its own, or from which it came. */
  get traced(): { readonly trace_id: string; readonly span_id: string } {
    const span = this.attemptSpan ?? this.span;
    const traceparent = span?.traceparent ?? this.trace["traceparent"] ?? "";
    return { trace_id: this.traceId, span_id: spanOf(traceparent) };
  }

  /** Keeps an attempt that did not end well. */
  note(outcome: AttemptRecord["outcome"], answer: string): void {
    const at = Math.round(performance.timeOrigin + this.attemptedAt);
    this.attempts ??= [];
    this.attempts.push({ at, took: this.took, outcome, answer: answer.slice(0, longestAnswer) });
    if (this.attempts.length > mostAttempts) this.attempts.shift();
  }
}

function sizeOf(reply: Reply | undefined): number {
  let size = reply?.data?.length ?? 0;
  for (const { key, value } of reply?.states ?? []) size += key.length + value.length;
  return size;
}

const mostAttempts = 100;
const longestAnswer = 1_000;

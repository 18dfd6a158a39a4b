import { clock } from "../../clock.ts";
import type { AnyBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { pauseAfter, type RetryPolicy } from "../../policy/retry.ts";
import type { Opened } from "./opening.ts";

/** Pauses between attempts to open: from 100 ms doubling to 10 s, without end. */
const pauses: RetryPolicy = {
  attempts: Number.POSITIVE_INFINITY,
  initial: 100,
  max: 10_000,
  multiplier: 2,
  jitter: 0.1,
};
/** A connection that lived this long starts the pauses anew, in milliseconds. */
const settledAfter = 10_000;
/**
 * One that ends within this time was cut right after it was made, in milliseconds: longer than the longest pause, so
 * that two processes that cut each other off by turns are noticed.
 */
const rightAfter = 15_000;
/** So many in a row are no accident. */
const manyCuts = 3;

/** Codes of a system that was not reached, or that has answered: nobody cut anything. */
const notCut: ReadonlySet<string> = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"],
  ...["502", "503", "504"],
]);

const usualCause =
  "the server, or something between it and this process, closes it; its log may say why";

/** Why the binding thinks that its connections may be cut, without secrets. */
export function cutCauseOf(binding: AnyBinding, { metadata, redact }: Opened): string | undefined {
  const cause = binding.cutCause?.(metadata);
  return cause === undefined ? undefined : redact(cause);
}

/** When a component's connection is made anew, and what is to be said about how often it was. */
export class Reopening {
  readonly #now: () => number;
  #failures = 0;
  #cuts = 0;
  #openedAt: number | undefined;
  #cause = usualCause;

  constructor(now: () => number = () => clock.elapsed()) {
    this.#now = now;
  }

  /** `cause`: why connections may be cut, where the binding knows of a likely one. */
  opened(cause = usualCause): void {
    this.#openedAt = this.#now();
    this.#cause = cause;
  }

  /** An attempt or a connection has ended. Returns the reason, with the likely cause where it is cut time and again. */
  ended(reason: unknown): unknown {
    const lifetime = this.#openedAt === undefined ? undefined : this.#now() - this.#openedAt;
    this.#openedAt = undefined;
    this.#failures = lifetime !== undefined && lifetime > settledAfter ? 1 : this.#failures + 1;
    const isCut =
      reason instanceof BindingError &&
      reason.reason === "unavailable" &&
      !notCut.has(reason.systemCode ?? "") &&
      lifetime !== undefined &&
      lifetime < rightAfter;
    this.#cuts = isCut ? this.#cuts + 1 : 0;
    if (!isCut || this.#cuts < manyCuts) return reason;
    const { effect, systemCode } = reason;
    const text = `${reason.message}; ${this.#text}`;
    return new BindingError(reason.reason, text, { effect, systemCode, cause: reason });
  }

  /** How long to wait before the next attempt, in milliseconds. */
  get pause(): number {
    return pauseAfter(pauses, Math.max(1, this.#failures));
  }

  /** What is to be said about a connection that is open and may be cut again; empty: nothing. */
  get trouble(): string {
    const isYoung = this.#openedAt !== undefined && this.#now() - this.#openedAt < rightAfter;
    return this.#cuts >= manyCuts && isYoung ? this.#text : "";
  }

  get #text(): string {
    return `it is cut again and again right after it was made: probably ${this.#cause}`;
  }
}

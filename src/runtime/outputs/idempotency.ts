import { clock } from "../../clock.ts";
import { createHash } from "node:crypto";
import type { Answer } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import type { Claim } from "../../store/records.ts";
import type { ClaimStore } from "../../store/store.ts";
import type { Component } from "../component/component.ts";
import type { Invocation } from "./invocation.ts";
import { decodeAnswer, encodeAnswer, mostStored } from "./stored-answer.ts";
import { delay } from "../../delay.ts";
import { abortable } from "../../abortable.ts";
import { noStore } from "../no-store.ts";

/**
 * The request metadata that makes a call happen once. As written: `Idempotency-Key` is another name, which
 * goes to the binding like any other.
 */
export const idempotencyKey = "idempotency-key";
/** Is `true` in the metadata of an answer that another call with the same key got first. */
const replayedMark = "idempotency-replayed";

const longestKey = 256;
/** Ten years, in milliseconds: near enough to for ever. */
const longestWindow = 10 * 365 * 24 * 3_600_000;
/** Pauses before a result that the store did not take is offered again, in milliseconds. */
const firstPause = 1000;
const longestPause = 60_000;

/** Metadata that differs from call to call though the request is the same. */
const traceFields: ReadonlySet<string> = new Set(["traceparent", "tracestate", "baggage"]);

type Target = Pick<Component, "spec" | "opened" | "whenOpened">;
type Run = (invocation: Invocation) => Promise<Answer | undefined>;

type Outcome = {
  readonly answer: Answer | undefined;
  readonly replayed: boolean;
  /** Resolves once the store has the result, where it did not take it at once. */
  readonly kept?: Promise<void>;
};

/** A call that runs, or whose result the store does not have yet. */
type Running = { readonly fingerprint: string; readonly outcome: Promise<Outcome> };

/** A call with a key. */
type KeyedCall = {
  readonly target: Target;
  readonly invocation: Omit<Invocation, "signal">;
  /** Within which keys are told apart. */
  readonly scope: string;
  readonly key: string;
  readonly fingerprint: string;
};

/** Runs an operation once for each key that callers give, and answers the same call again with its first result. */
export class Idempotency {
  readonly #claims: ClaimStore | undefined;
  readonly #running = new Map<string, Running>();
  readonly #closing = new AbortController();

  constructor(claims: ClaimStore | undefined) {
    this.#claims = claims;
  }

  /**
   * Runs it, unless a call with its key has or does. It goes on when its caller cancels, so that the caller
   * gets its result by asking again. Rejects with a `BindingError`.
   */
  async invoke(target: Target, invocation: Invocation, run: Run): Promise<Answer | undefined> {
    const call = keyedCall(target, invocation);
    const id = `${call.scope}\n${call.key}`;
    let one = this.#running.get(id);
    const isFirst = one === undefined;
    if (one === undefined) {
      const outcome = this.#once(call, run);
      one = { fingerprint: call.fingerprint, outcome };
      this.#running.set(id, one);
      const forget = (): boolean => this.#running.delete(id);
      outcome.then(({ kept }) => kept).then(forget, forget);
    }
    if (one.fingerprint !== call.fingerprint) throw otherRequest(call);
    const { answer, replayed } = await abortable(one.outcome, invocation.signal, () =>
      givenUp(call),
    );
    if (isFirst && !replayed) return answer;
    return { ...answer, metadata: { ...answer?.metadata, [replayedMark]: "true" } };
  }

  /** Results that the store has not taken yet are not offered to it again. */
  close(): void {
    this.#closing.abort();
  }

  async #once(call: KeyedCall, run: Run): Promise<Outcome> {
    const { target, scope, key } = call;
    const { settings } = target.opened ?? (await target.whenOpened(this.#closing.signal));
    const claimTime = Math.min(settings.idempotencyClaim, longestTimer);
    const window = Math.min(settings.idempotencyWindow, longestWindow);
    const claims = this.#claims;
    if (claims === undefined) throw notBegun(call, noStore);
    const claim = await claims
      .claim(scope, key, call.fingerprint, claimTime)
      .catch((error: unknown) => {
        throw notBegun(call, messageOf(error));
      });
    if (claim.state !== "claimed") return { answer: found(call, claim, claimTime), replayed: true };
    if (faultPoints) reach("claimed");
    let answer: Answer | undefined;
    try {
      answer = await runWithin(claimTime, call, run);
    } catch (thrown) {
      const error = BindingError.from(thrown);
      // A claim that could not be released ends by itself.
      if (error.effect !== "ambiguous") await claims.release(scope, key).catch(() => undefined);
      throw error;
    }
    if (faultPoints) reach("invoked");
    const keep = (): Promise<void> =>
      claims.complete(scope, key, call.fingerprint, encodeAnswer(answer), window);
    try {
      await keep();
    } catch {
      return { answer, replayed: false, kept: this.#keepTrying(keep, window) };
    }
    if (faultPoints) reach("claim completed");
    return { answer, replayed: false };
  }

  /** What was done is done, and its caller is told; who repeats the call meanwhile is answered from memory. */
  async #keepTrying(keep: () => Promise<void>, window: number): Promise<void> {
    const { signal } = this.#closing;
    const until = clock.now() + window;
    for (let wait = firstPause; ; wait = Math.min(2 * wait, longestPause)) {
      await delay(wait, signal);
      if (signal.aborted || clock.now() > until) return;
      try {
        return await keep();
      } catch {
        // Its store says what is wrong with it.
      }
    }
  }
}

function keyedCall(target: Target, invocation: Invocation): KeyedCall {
  const { [idempotencyKey]: key = "", ...metadata } = invocation.metadata;
  if (key === "" || key.length > longestKey) {
    const what = key === "" ? "is empty" : `has ${key.length} characters`;
    throw new BindingError(
      "invalid_argument",
      `the request's metadata ${idempotencyKey} ${what}; it must have 1 to ${longestKey}, such as a UUID`,
    );
  }
  const { name, operation, data, encoding } = invocation;
  const stripped = { name, operation, data, encoding, metadata };
  const scope = `${name}/${operation}`;
  return { target, invocation: stripped, scope, key, fingerprint: fingerprintOf(stripped) };
}

/** A digest of what the request asks for, whatever the order of its metadata and its trace. */
function fingerprintOf({ data, encoding, metadata }: Omit<Invocation, "signal">): string {
  const fields = Object.entries(metadata)
    .filter(([name]) => !traceFields.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256").update(
    JSON.stringify([encoding, data === undefined ? null : data.length, fields]),
  );
  if (data !== undefined) hash.update(data);
  return hash.digest("base64url");
}

/** Runs the operation for as long as its claim holds. */
async function runWithin(
  milliseconds: number,
  { invocation }: KeyedCall,
  run: Run,
): Promise<Answer | undefined> {
  const over = new AbortController();
  const timer = clock.setTimeout(() => {
    const time = formatDuration(milliseconds);
    over.abort(
      new BindingError(
        "deadline_exceeded",
        `${invocation.operation} has not ended within ${time}, the component's idempotencyClaim`,
        { effect: "ambiguous" },
      ),
    );
  }, milliseconds);
  try {
    const running = run({ ...invocation, signal: over.signal });
    return await abortable(running, over.signal);
  } finally {
    clock.clearTimeout(timer);
  }
}

/** What an earlier call with this key has left. Throws where that is no answer. */
function found(
  call: KeyedCall,
  claim: Exclude<Claim, { readonly state: "claimed" }>,
  claimTime: number,
): Answer | undefined {
  if (claim.fingerprint !== call.fingerprint) throw otherRequest(call);
  if (claim.state === "done") {
    const kept = decodeAnswer(claim.result);
    if ("answer" in kept) return kept.answer;
    throw new BindingError(
      "already_exists",
      `${described(call)} was done before; its answer of ${kept.tooLarge} bytes was not kept, for it is larger than ${mostStored}`,
      { metadata: { [replayedMark]: "true" } },
    );
  }
  const since = new Date(claim.since).toISOString();
  const until = new Date(claim.since + claimTime).toISOString();
  const how = claim.ours
    ? "and failed in a way that leaves open whether it happened"
    : "in a process that ended before it knew the answer";
  throw new BindingError(
    "aborted",
    `${described(call)} began at ${since} ${how}: look in the other system; where it did not happen, use a new key, or the same key after ${until}, when it runs anew`,
    { effect: "ambiguous" },
  );
}

function described({ invocation: { name, operation }, key }: KeyedCall): string {
  return `${operation} of ${name} with the ${idempotencyKey} ${JSON.stringify(key)}`;
}

function otherRequest(call: KeyedCall): BindingError {
  return new BindingError(
    "failed_precondition",
    `${described(call)} was asked for before with other data or metadata; a key is for one request and its repetitions, so use a new one`,
  );
}

function notBegun(call: KeyedCall, why: string): BindingError {
  return new BindingError(
    "unavailable",
    `${described(call)} was not begun, for nothing can be kept of it: ${why}`,
    { effect: "unsent" },
  );
}

function givenUp(call: KeyedCall): BindingError {
  return new BindingError(
    "cancelled",
    `cancelled by the caller; ${described(call)} goes on, and a call with the same key gets its result`,
    { effect: "ambiguous" },
  );
}

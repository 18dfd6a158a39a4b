import { BindingError } from "../../errors.ts";
import { formatDuration } from "../../metadata/duration.ts";
import { codesOf, matches } from "../../policy/matching.ts";
import type { Policy } from "../../policy/policy.ts";
import { pauseAfter } from "../../policy/retry.ts";
import { guarded, Refused, type Attempt } from "./guarded.ts";
import { delay } from "../../delay.ts";

/** A system that wants to be left alone for longer than this, in milliseconds, is its caller's affair. */
const longestAsked = 60_000;

/** What a failed attempt is repeated with. */
export type RetriedAttempt<Result> = Omit<Attempt<Result>, "policy" | "onPassed"> & {
  /** Doing it twice is the same as once. */
  readonly idempotent: () => boolean;
  /** Why the first attempt failed, which was made without a guard; absent: there was none yet. */
  readonly first?: { readonly error: unknown };
  /** Told of each failed attempt that another one is to follow, before the pause. */
  readonly onFailed?: ((error: BindingError) => void) | undefined;
  /** Told of each attempt after the first one as it begins, with the pause before it in milliseconds. */
  readonly onAgain?: ((wait: number) => void) | undefined;
  /** What cannot be read again, so that nothing can be repeated once it has begun. */
  readonly body?: { readonly begun: boolean } | undefined;
};

/**
 * Makes attempts as far as the component's policy and the failures allow, by the policy of the moment. Throws
 * the last failure; where an earlier one may have had an effect, it says so of itself.
 */
export async function withRetries<Result>(repetition: RetriedAttempt<Result>): Promise<Result> {
  const { component, signal, first, body, onAgain } = repetition;
  let failed = 0;
  let wait = 0;
  let ambiguous = false;
  let error = first?.error;
  for (let pending = first !== undefined; ; pending = true) {
    const policy = component.policies.outbound;
    if (pending) {
      failed++;
      ambiguous ||= BindingError.from(error).effect === "ambiguous";
      if (body?.begun === true || signal.aborted || !mayRetry(error, repetition, policy, failed))
        throw failureOf(error, ambiguous);
      const { retryAfter: asked = 0 } = BindingError.from(error);
      if (asked > Math.max(longestAsked, policy.retry.max))
        throw failureOf(error, ambiguous, `; not tried again: ${tooLong(asked)}`);
      repetition.onFailed?.(BindingError.from(error));
      wait = Math.max(asked, pauseAfter(policy.retry, failed));
      await delay(wait, signal);
      if (signal.aborted) throw failureOf(error, ambiguous);
    }
    let reached = false;
    try {
      return await guarded({
        ...repetition,
        policy: component.policies.outbound,
        onPassed: pending && onAgain !== undefined ? () => onAgain(wait) : undefined,
        onOpened(opened) {
          reached = true;
          repetition.onOpened(opened);
        },
      });
    } catch (thrown) {
      if (thrown instanceof Refused) {
        if (!pending) throw thrown;
        throw failureOf(error, ambiguous, `; not tried again: ${thrown.message}`);
      }
      // Waiting for a connection takes long enough once, unless somebody asked for more.
      if (!reached && policy.repeatsAmbiguous !== true) throw failureOf(thrown, ambiguous);
      error = thrown;
    }
  }
}

/**
 * Without a retry that somebody asked for, only what surely did no harm is repeated: it was not sent, or doing
 * it twice is the same as once.
 */
function mayRetry(
  error: unknown,
  { idempotent }: Pick<RetriedAttempt<unknown>, "idempotent">,
  policy: Policy,
  failed: number,
): boolean {
  if (failed >= policy.retry.attempts) return false;
  if (policy.repeatsAmbiguous === true) {
    const failure = BindingError.from(error);
    const said = policy.matching && matches(policy.matching, codesOf(failure));
    return said ?? failure.effect !== "rejected";
  }
  if (!(error instanceof BindingError)) return false;
  return error.effect === "ambiguous" ? idempotent() : error.effect === "unsent";
}

function tooLong(asked: number): string {
  return `the system asks to be left alone for ${formatDuration(Math.ceil(asked))}`;
}

/** The failure as the caller is told it. */
function failureOf(error: unknown, ambiguous: boolean, more = ""): unknown {
  const failure = BindingError.from(error);
  if (more === "" && (!ambiguous || failure.effect === "ambiguous")) return error;
  const { reason, systemCode, retryAfter, metadata, message } = failure;
  return new BindingError(reason, message + more, {
    effect: ambiguous ? "ambiguous" : failure.effect,
    ...{ systemCode, retryAfter, cause: failure },
    ...(metadata === undefined ? {} : { metadata }),
  });
}

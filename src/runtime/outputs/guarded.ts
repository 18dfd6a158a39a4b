import { clock } from "../../clock.ts";
import { BindingError } from "../../errors.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import type { ResolvedPolicy } from "../../policy/policies.ts";
import type { Breaker } from "../../policy/policy.ts";
import type { Component } from "../component/component.ts";
import type { Opened } from "../component/opening.ts";

/** One attempt at an operation of a component. */
export type Attempt<Result> = {
  readonly component: Component;
  readonly policy: ResolvedPolicy;
  /** The caller's. */
  readonly signal: AbortSignal;
  /** Told once the breaker has let the attempt through. */
  readonly onPassed?: (() => void) | undefined;
  /** Told the connection before it is used. */
  readonly onOpened: (opened: Opened) => void;
  /** Runs the operation; the signal is the caller's, or one that the timeout aborts as well. */
  readonly run: (opened: Opened, signal: AbortSignal | undefined) => Promise<Result>;
};

/** A breaker that is open kept the attempt from being made. */
export class Refused extends BindingError {}

/** Waits for the connection and runs the operation, within the policy's breaker and timeout. */
export async function guarded<Result>(attempt: Attempt<Result>): Promise<Result> {
  const { breaker } = attempt.policy;
  if (breaker === undefined) {
    attempt.onPassed?.();
    return timed(attempt);
  }
  const pass = breaker.enter();
  if (pass === undefined) throw refusal(breaker, attempt.component.spec.name);
  attempt.onPassed?.();
  let succeeded: boolean | undefined;
  try {
    const result = await timed(attempt);
    succeeded = true;
    return result;
  } catch (error) {
    succeeded = attempt.signal.aborted ? undefined : !isServerFailure(error);
    throw error;
  } finally {
    breaker.done(pass, succeeded);
  }
}

async function timed<Result>(attempt: Attempt<Result>): Promise<Result> {
  const { component, policy, signal, onOpened, run } = attempt;
  if (policy.timeout === undefined) {
    const opened = component.opened ?? (await component.whenOpened(signal));
    onOpened(opened);
    return run(opened, undefined);
  }
  const controller = new AbortController();
  const either = AbortSignal.any([signal, controller.signal]);
  const late = Promise.withResolvers<never>();
  let sent = false;
  const timer = clock.setTimeout(
    () => {
      const error = tooLate(component.spec.name, policy, sent);
      controller.abort(error);
      late.reject(error);
    },
    Math.min(policy.timeout, longestTimer),
  );
  const running = (async () => {
    const opened = component.opened ?? (await component.whenOpened(either));
    either.throwIfAborted();
    sent = true;
    onOpened(opened);
    return run(opened, either);
  })();
  // Few drivers can be interrupted: one that goes on after its time is not waited for.
  running.catch(() => undefined);
  try {
    return await Promise.race([running, late.promise]);
  } catch (error) {
    // What an interrupted driver makes of the signal says less than why it was interrupted.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clock.clearTimeout(timer);
    late.promise.catch(() => undefined);
  }
}

function tooLate(
  name: string,
  { timeout = 0, sources }: ResolvedPolicy,
  sent: boolean,
): BindingError {
  const within = `within ${formatDuration(timeout)}, its timeout (${sources.timeout})`;
  return sent
    ? new BindingError("deadline_exceeded", `binding ${name} did not answer ${within}`, {
        effect: "ambiguous",
      })
    : new BindingError("deadline_exceeded", `component ${name} was not connected ${within}`, {
        effect: "unsent",
      });
}

function refusal(breaker: Breaker, name: string): Refused {
  const { passesIn } = breaker;
  const when =
    passesIn > 0
      ? `is open, and lets calls through again in ${formatDuration(Math.ceil(passesIn))}`
      : "is half-open, and waits for the calls that try whether it may close";
  return new Refused("unavailable", `circuit breaker ${breaker.name} of binding ${name} ${when}`, {
    effect: "unsent",
    ...(passesIn > 0 ? { retryAfter: passesIn } : {}),
  });
}

const troubles: ReadonlySet<string> = new Set([
  ...["deadline_exceeded", "unavailable", "resource_exhausted", "internal", "data_loss"],
]);

/** A system that says no to one request works: only what speaks of the system itself opens a breaker. */
function isServerFailure(error: unknown): boolean {
  if (!(error instanceof BindingError)) return true;
  return error.effect !== "rejected" || troubles.has(error.reason);
}

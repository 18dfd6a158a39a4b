import { clock } from "../../clock.ts";
import { BindingError } from "../../errors.ts";
import type { AttemptRecord, DeadLetter } from "../../store/records.ts";
import type { DeadLetterStore } from "../../store/store.ts";
import type { Redriven } from "../delivery/redrive.ts";
import { beginRedrive } from "../delivery/traced.ts";
import type { Runtime } from "../runtime.ts";
import type { Tracer } from "../tracer.ts";

/** An output that dead letters are redriven to. */
export type OutputTarget = {
  readonly component: string;
  readonly operation: string;
  /** Settings of these calls, beside those that tell of the dead letter. */
  readonly metadata: Readonly<Record<string, string>>;
};

type RedriveParts = {
  readonly store: DeadLetterStore;
  readonly invoke: Runtime["invoke"];
  readonly tracer: Tracer | undefined;
};

/** As many attempts as a dead letter keeps. */
const keptAttempts = 100;

/**
 * Gives a dead letter's payload to an output, by the output's policy. Where that fails, the dead letter in the store
 * tells of it. Rejects when the output cannot do such a thing at all.
 */
export async function redriveToOutput(
  deadLetter: DeadLetter,
  to: OutputTarget,
  { store, invoke, tracer }: RedriveParts,
): Promise<Redriven> {
  const { component: name, operation, metadata } = to;
  const at = clock.now();
  const began = clock.elapsed();
  const { signal } = new AbortController();
  const { data, id = "" } = deadLetter.event;
  const about = {
    "cufflink-component": deadLetter.component,
    "cufflink-event-id": id,
    "cufflink-reason": deadLetter.reason,
  };
  const span = tracer && beginRedrive(tracer, deadLetter);
  const trace = span && { traceparent: span.traceparent };
  try {
    const settings = { ...about, ...trace, ...metadata };
    await invoke({ name, operation, data, encoding: "bytes", metadata: settings, signal });
    span?.end();
    return { outcome: "handled", reason: "" };
  } catch (thrown) {
    const error = BindingError.from(thrown);
    span?.end({ type: error.reason, message: error.message });
    // The same for every dead letter, and no fault of theirs.
    if (error.reason === "not_found" || error.reason === "unimplemented") throw error;
    const reason = `output ${name} failed: ${error.message}`;
    const took = clock.elapsed() - began;
    await store.replace(refused(deadLetter, { at, took, outcome: "refused", answer: reason }));
    return { outcome: "refused", reason };
  }
}

function refused(deadLetter: DeadLetter, attempt: AttemptRecord): DeadLetter {
  return {
    ...deadLetter,
    reason: attempt.answer,
    attempts: [...deadLetter.attempts, attempt].slice(-keptAttempts),
    failed: deadLetter.failed + 1,
    redrives: deadLetter.redrives + 1,
  };
}

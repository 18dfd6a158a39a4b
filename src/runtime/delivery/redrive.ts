import type { InboundEvent } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { DeadLetter } from "../../store/records.ts";

/** What became of a dead letter's event that was delivered again; `reason` is empty where it was handled. */
export type Redriven = { readonly outcome: "handled" | "refused"; readonly reason: string };

export function deliversNothing(component: string): Promise<never> {
  const text = `component ${component} delivers nothing now; resume it first`;
  return Promise.reject(new BindingError("failed_precondition", text));
}

/** A dead letter's event as one that comes in: the metadata `cufflink-redrive` counts how often it was redriven. */
export function redrivenEvent(
  { event, redrives }: DeadLetter,
  signal: AbortSignal | undefined,
  settled: (redriven: Redriven) => void,
): InboundEvent {
  return {
    ...event,
    metadata: { ...event.metadata, "cufflink-redrive": String(redrives + 1) },
    revoked: signal,
    settle: (settlement) =>
      settled(
        settlement.outcome === "handled"
          ? { outcome: "handled", reason: "" }
          : { outcome: "refused", reason: settlement.reason },
      ),
  };
}

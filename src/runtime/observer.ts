import type { MissedBecause } from "../binding.ts";
import type { BindingError } from "../errors.ts";
import type { Outcome } from "./app.ts";
import type { End } from "./records/history-ring.ts";
import type { Redriven } from "./delivery/redrive.ts";
import type { ComponentState } from "./status.ts";

/** The ids of a recorded span, in lower-case hexadecimal digits: 32 and 16. */
export type SpanIds = { readonly traceId: string; readonly spanId: string };

/** What the runtime tells to telemetry. Called on hot paths: implementations count and return. */
export type Observer = {
  /** An output was invoked. `span`: the call's, where it is recorded. */
  invoked(
    component: string,
    operation: string,
    error: BindingError | undefined,
    milliseconds: number,
    span?: SpanIds,
  ): void;
  /** An attempt to have an event handled ended. `span`: the attempt's, where it is recorded. */
  attempted(
    component: string,
    outcome: Outcome["kind"],
    milliseconds: number,
    span?: SpanIds,
  ): void;
  /** An event ended otherwise than by the app's handling it. */
  ended(component: string, how: Exclude<End["how"], "handled">): void;
  /** The lease of an event that is held was renewed, or was not. */
  leaseRenewed(component: string, renewed: boolean): void;
  /** Events of a source never come. */
  missed(component: string, events: number, why: MissedBecause): void;
  /** Events were published into the relay, were in it already, or came out of it once more. */
  relayed(component: string, what: "published" | "duplicate" | "redelivered", events: number): void;
  /** A dead letter's event was delivered again. */
  redriven(component: string, outcome: Redriven["outcome"]): void;
  /** A component changed its state. */
  stateChanged(component: string, type: string, state: ComponentState): void;
};

/** Observes nothing. */
export const silentObserver: Observer = {
  invoked() {},
  attempted() {},
  ended() {},
  leaseRenewed() {},
  missed() {},
  relayed() {},
  redriven() {},
  stateChanged() {},
};

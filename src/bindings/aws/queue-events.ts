import type { InboundEvent, Lease, Settlement } from "../../binding.ts";
import type { ReceivedMessage } from "./sqs-queue.ts";

/** What belongs to a message that was received, whatever events it comes to. */
export type Receipt = {
  readonly lease: Lease;
  readonly settle: (settlement: Settlement) => void;
  /** Aborted when no event can be handed over any more. */
  readonly signal: AbortSignal;
};

/**
 * Makes a message the events that it tells of, of which the last settles it; none: it is done with. Throws a
 * `BindingError`: with `invalid_argument` for a message that nothing can be made of, which is left to the queue's
 * redrive policy, with any other reason for what may go better later.
 */
export type EventsOf = (
  message: ReceivedMessage,
  receipt: Receipt,
) => readonly InboundEvent[] | Promise<readonly InboundEvent[]>;

import type { Reader } from "../../binding.ts";
import type { Ownership } from "../ownership.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { Entry } from "./entry.ts";

/** What becomes of an event here whose component another replica reads by now. */
export const leaseIsOver =
  "this replica's lease of the component is over; the owner reads the event again";

/**
 * Whether this replica must neither dispatch nor settle: the component's lease is over, of which a process that was stopped
 * knows nothing before it looks.
 */
export function isFenced({ ownership }: Pick<DeliveryOptions, "ownership">): boolean {
  return ownership !== undefined && !ownership.held;
}

/** Whether its source has it no more, by the clock; it is returned then, and has left its lane. */
export function isRevoked({ event }: Pick<Entry, "event">): boolean {
  return event.isHeld?.() === false;
}

/** A reader that confirms nothing to its source once the lease is over. */
export function fencedReader(reader: Reader, ownership: Ownership | undefined): Reader {
  if (ownership === undefined) return reader;
  return {
    stop: () => reader.stop(),
    flush: () => (ownership.held ? reader.flush() : undefined),
    close: () => reader.close(),
  };
}

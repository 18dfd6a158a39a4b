import type { Lease, Settlement } from "../reading.ts";

/**
 * Settles a message that tells of several objects once each of them is settled: it is handled if all are, else it is
 * returned as the first that was, after the longest of the pauses. Returns what each object's event is settled with.
 */
export function sharedSettlement(
  records: number,
  settle: (settlement: Settlement) => void,
): (settlement: Settlement) => void {
  let open = records;
  let returned: Extract<Settlement, { outcome: "returned" }> | undefined;
  return (settlement) => {
    open--;
    if (settlement.outcome === "returned") returned = merged(returned, settlement);
    if (open === 0) settle(returned ?? { outcome: "handled" });
  };
}

/** A lease of a message that several events have: however many ask for it at one time, it is renewed once. */
export function sharedLease({ duration, extend }: Lease): Lease {
  if (extend === undefined) return { duration };
  let renewing: Promise<void> | undefined;
  return {
    duration,
    extend: () =>
      (renewing ??= extend().finally(() => {
        renewing = undefined;
      })),
  };
}

type Returned = Extract<Settlement, { outcome: "returned" }>;

function merged(first: Returned | undefined, next: Returned): Returned {
  if (first === undefined) return next;
  const after = Math.max(first.after ?? 0, next.after ?? 0);
  return {
    outcome: "returned",
    reason: first.reason,
    ...(after > 0 ? { after } : {}),
    // Its count may stay only if no attempt failed at any of them.
    unattempted: first.unattempted === true && next.unattempted === true,
  };
}

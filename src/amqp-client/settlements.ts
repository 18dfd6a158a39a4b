/** What becomes of a delivery at the server. */
export type Outcome = "accepted" | "released" | "modified";

/** One disposition: the same outcome for all deliveries from the first to the last. */
export type Disposition = {
  readonly first: number;
  readonly last: number;
  readonly outcome: Outcome;
};

/**
 * The dispositions that say exactly what was noted. Deliveries next to each other share one only where their outcome
 * is the same, and each of the range was noted: the driver itself merges two of different outcomes into the first's.
 */
export function dispositionsOf(noted: ReadonlyMap<number, Outcome>): Disposition[] {
  const dispositions: { first: number; last: number; outcome: Outcome }[] = [];
  for (const [id, outcome] of [...noted].toSorted(([one], [other]) => one - other)) {
    const current = dispositions.at(-1);
    if (current?.outcome === outcome && current.last + 1 === id) current.last = id;
    else dispositions.push({ first: id, last: id, outcome });
  }
  return dispositions;
}

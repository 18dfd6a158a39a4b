/** Where a component runs. */
export type Placement = {
  /** The worker that reads its events; where it is `alone`, the one that has it. */
  readonly owner: number;
  /** It is open in its owner only, and calls of it are made there. */
  readonly isAlone: boolean;
  readonly reads: boolean;
  /** All workers read it, each a part of its source. */
  readonly spreads?: boolean;
};

/** What matters of a component for its place. */
export type Placeable = {
  readonly name: string;
  readonly reads: boolean;
  readonly isAlone: boolean;
  /** See `Placement`: no worker has it more than the others. */
  readonly spreads?: boolean;
  /** Those with the same word share a worker. */
  readonly together: string | undefined;
};

/**
 * Spreads components over workers: each new one that reads, or is alone, goes to the worker with the fewest of these. It
 * stays there while it is defined.
 */
export function place(
  components: readonly Placeable[],
  before: ReadonlyMap<string, Placement>,
  workers: number,
): Map<string, Placement> {
  const placed = new Map<string, Placement>();
  const load = Array.from({ length: workers }, () => 0);
  const groups = new Map<string, number>();
  const settle = ({ name, reads, isAlone, spreads, together }: Placeable, owner: number): void => {
    placed.set(name, { owner, isAlone, reads, ...(spreads === true && { spreads }) });
    if (spreads !== true && (reads || isAlone)) load[owner] = (load[owner] ?? 0) + 1;
    if (together !== undefined) groups.set(together, owner);
  };
  for (const one of components) {
    const known = before.get(one.name);
    if (known !== undefined) settle(one, known.owner);
  }
  for (const one of components) {
    if (placed.has(one.name)) continue;
    const least = load.indexOf(Math.min(...load));
    settle(one, (one.together === undefined ? undefined : groups.get(one.together)) ?? least);
  }
  // In the order of the definitions.
  return new Map(components.flatMap(({ name }) => [[name, placed.get(name) as Placement]]));
}

import type { Systems } from "../../bench/systems/systems.ts";
import type { Contender } from "./runtime.ts";

/** What a row has at hand. */
export type Bench = {
  /** A folder of the run's own. */
  readonly folder: string;
  /** The daprd binary. */
  readonly daprd: string | undefined;
  readonly systems: Systems;
};

/** What one contender did in one row. */
export type Outcome = {
  /** The cell of the table. */
  readonly text: string;
  /** Produced, and at the end neither handled by the app nor kept for it anywhere. */
  readonly lost: number;
  /** Handled after a later event of the same key, where the source promises order. */
  readonly reordered: number;
};

/** One line of the table. */
export type Row = {
  readonly name: string;
  readonly title: string;
  /** What the tuned daprd is told; without it there is no such contender in this row. */
  readonly tuning?: string;
  run(contender: Contender, bench: Bench): Promise<Outcome>;
};

export function plural(count: number, thing: string): string {
  return `${count.toLocaleString("en-US")} ${thing}${count === 1 ? "" : "s"}`;
}

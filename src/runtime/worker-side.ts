import type { Answer } from "../binding.ts";
import type { ConcurrencyLimit } from "./concurrency.ts";
import type { Invocation } from "./outputs/invocation.ts";
import type { History } from "./records/history.ts";

/** What a runtime shares with others of the same process, each in a thread of its own. */
export type WorkerSide = {
  readonly history: History;
  readonly concurrency: ConcurrencyLimit;
  /** Whether the component's events are read here. */
  reads(component: string): boolean;
  /** How many of so many events of the component the app may have from here: where others read it too, a part. */
  share(component: string, events: number): number;
  /** Whether the call is made in another thread: its component is open there only, or its key is looked after there. */
  isElsewhere(call: Pick<Invocation, "name" | "metadata">): boolean;
  /** Makes such a call. Rejects with a `BindingError`. */
  invokeElsewhere(call: Invocation): Promise<Answer | undefined>;
  /**
   * Resolves once the changed component is proved here and in all other threads that have it. Rejects with why it is not in
   * one of them.
   */
  agree(component: string, proved: Promise<void>): Promise<void>;
};

import { BindingError } from "../../errors.ts";

/** The leases that this process has taken, by the epochs of which its writes are recognised. */
export class Fences {
  readonly #epochs = new Map<string, number>();

  /** The epoch that each write about this component expects; `undefined`: it has no lease. */
  of(component: string): number | undefined {
    return this.#epochs.get(component);
  }

  set(component: string, epoch: number): void {
    this.#epochs.set(component, epoch);
  }

  /** The lease was given up: whoever writes about the component from now on has no claim to it. */
  remove(component: string, epoch: number): void {
    if (this.#epochs.get(component) === epoch) this.#epochs.delete(component);
  }
}

/** Why a write about a component was refused. */
export function fencedError(component: string, replica: string | undefined): BindingError {
  const owner = replica === undefined ? "another replica" : `replica ${replica}`;
  return new BindingError(
    "aborted",
    `fenced: ${component} is owned by ${owner}; nothing was written`,
  );
}

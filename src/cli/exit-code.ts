import { BindingError } from "../errors.ts";

/** The exit code of a command that failed so. */
export function exitCodeOf(error: unknown): number {
  // A runtime that answered so is there; something that it needs is not.
  const isAway = error instanceof BindingError && error.reason === "unavailable";
  return isAway && error.effect !== "ambiguous" ? 69 : 1;
}

/** Thrown by a command that has said what it had to say and ends with this code. */
export class ExitCode extends Error {
  override readonly name = "ExitCode";
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

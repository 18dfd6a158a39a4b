import type fc from "fast-check";

/** One surface of the runtime that takes what others wrote. */
export type Target<Input> = {
  readonly name: string;
  /** What is tried; plain data, so that a failing one can be kept in a file. */
  readonly input: fc.Arbitrary<Input>;
  /** Starts what is tried. */
  start(): Promise<Trial<Input>>;
};

/** Something running that is tried with one input after another. */
export type Trial<Input> = AsyncDisposable & {
  /** Rejects when a promise is broken. */
  check(input: Input): Promise<void>;
};

/** A target whose inputs nobody outside looks at. */
// oxlint-disable-next-line typescript/no-explicit-any -- inputs are the target's own business
export type AnyTarget = Target<any>;

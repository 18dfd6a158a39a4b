import { BindingError } from "./errors.ts";

/** Throws unless `count` is a whole number above 0, or left out. `what` is the option's name. */
export function checkCount(what: string, count: number | undefined): void {
  if (count === undefined || (Number.isInteger(count) && count > 0)) return;
  throw new BindingError(
    "invalid_argument",
    `${what} is ${count}; it must be a whole number above 0`,
  );
}

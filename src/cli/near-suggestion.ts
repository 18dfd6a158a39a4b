import { closest } from "../metadata/suggest.ts";

/** An error of commander's, without the names that it suggests and that are not near. */
export function withNearSuggestion(error: string): string {
  const [, unknown, guesses] =
    /unknown (?:command|option) '([^']*)'\n\(Did you mean (?:one of )?(.*)\?\)/.exec(error) ?? [];
  if (unknown === undefined || guesses === undefined) return error;
  const near = closest(unknown, guesses.split(", "));
  const hint = near === undefined ? "" : `\n(Did you mean ${near}?)`;
  return error.replace(/\n\(Did you mean .*\?\)/, () => hint);
}

import { BindingError, messageOf } from "../../errors.ts";

/** What the driver puts on its errors. */
type DriverError = Error & {
  readonly code?: unknown;
  readonly responseStatus?: unknown;
  readonly responseText?: unknown;
  readonly serverResponseCode?: unknown;
  readonly authenticationFailed?: unknown;
};

/** The most characters of a server's text that are told. */
const longestText = 1000;

/** What the server, or the way to it, said, in the words of people. `what`: what was being done. */
export function failureOf(thrown: unknown, what: string): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const error: Partial<DriverError> = thrown instanceof Error ? thrown : new Error(String(thrown));
  const said = textOf(error.responseText);
  const systemCode = textOf(error.serverResponseCode) ?? textOf(error.code);
  const text = `imap: ${what}: ${(said ?? messageOf(thrown)).slice(0, longestText)}`;
  if (error.authenticationFailed === true)
    return new BindingError("unauthenticated", text, { systemCode, cause: thrown });
  if (error.responseStatus === "NO" || error.responseStatus === "BAD")
    return new BindingError("failed_precondition", text, { systemCode, cause: thrown });
  return new BindingError("unavailable", text, { effect: "ambiguous", systemCode, cause: thrown });
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

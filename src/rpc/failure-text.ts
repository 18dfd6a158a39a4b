import type { BindingError } from "../errors.ts";

/** The text that Dapr's clients see when an output binding fails. */
export function invokeFailureText(name: string, error: BindingError): string {
  return `error invoking output binding ${name}: ${error.message}`;
}

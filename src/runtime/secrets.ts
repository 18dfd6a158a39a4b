import { BindingError } from "../errors.ts";

/** Replaces secret texts in anything that is shown. */
export type Redact = (text: string) => string;

/** A function that replaces each of the given texts by `***`. Texts under four characters would garble too much and are left. */
export function redactor(secrets: readonly string[]): Redact {
  const longest = secrets
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length);
  if (longest.length === 0) return (text) => text;
  return (text) => longest.reduce((shown, secret) => shown.replaceAll(secret, "***"), text);
}

/** The error with no secret in its text; all else of it stays. */
export function withoutSecrets(error: BindingError, redact: Redact): BindingError {
  const message = redact(error.message);
  if (message === error.message) return error;
  const { reason, effect, systemCode, retryAfter, metadata } = error;
  return new BindingError(reason, message, {
    effect,
    systemCode,
    retryAfter,
    ...(metadata && { metadata }),
  });
}

import type { Token } from "../../oauth/token.ts";
import { BindingError } from "../../errors.ts";

/** One kind of credentials that can give tokens. */
export type CredentialSource = {
  /** Who and where from: `service account a@b in /etc/key.json`. */
  readonly described: string;
  readonly token: (signal: AbortSignal) => Promise<Token>;
  /** The service account's address, where the credentials are one's. */
  readonly email?: ((signal: AbortSignal) => Promise<string>) | undefined;
  /** Signs with RSA and SHA-256, where the key is here. */
  readonly sign?: ((text: string) => Promise<Buffer>) | undefined;
  /** The project that is billed, where it is another one. */
  readonly quotaProject?: string | undefined;
};

/** Nothing of the call that needed the credentials was sent. What no repetition helps against (a missing driver) stays so. */
export function noCredentials(text: string, cause?: unknown): BindingError {
  const isFinal = cause instanceof BindingError && cause.reason === "invalid_argument";
  const reason = isFinal ? "invalid_argument" : "unauthenticated";
  return new BindingError(reason, text, { effect: "unsent", cause });
}

/** A field of an object that came as JSON, where it is a text that is not empty. */
export function textOf(value: unknown, name: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const member: unknown = Reflect.get(value, name);
  return typeof member === "string" && member !== "" ? member : undefined;
}

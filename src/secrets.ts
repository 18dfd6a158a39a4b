import { inspect } from "node:util";
import { BindingError } from "./errors.ts";
import { passwordInUrl } from "./metadata/url-password.ts";
import { secretPatterns, type SecretPatterns } from "./secret-patterns.ts";

/** Replaces secret texts in anything that is shown. */
export type Redact = (text: string) => string;

/** What a component must not show. */
export type Secrets = {
  readonly redact: Redact;
  /** Adds a text that came up later: a token that was obtained, a signature. */
  readonly hide: (secret: string) => void;
};

/** Texts under so many characters would garble too much and are left. */
const shortest = 4;
/** Tokens that are older than so many others have long ended. */
const mostObtained = 64;

/**
 * Replaces each of the given texts by `***`: as it is, quoted in JSON, percent-encoded, and within base64 and base64url.
 * Nothing is prepared before the first text is to be shown.
 */
export function secretsOf(declared: readonly string[]): Secrets {
  const own = declared.flatMap(partsOf);
  const obtained = new Set<string>();
  const compiled = new Map<string, SecretPatterns>();
  let sorted: readonly SecretPatterns[] | undefined;
  const prepare = (): readonly SecretPatterns[] => {
    const texts = [...new Set([...own, ...obtained])].filter(({ length }) => length >= shortest);
    return texts
      .sort((a, b) => b.length - a.length)
      .map((text) => {
        const patterns = compiled.get(text) ?? secretPatterns(text);
        compiled.set(text, patterns);
        return patterns;
      });
  };
  return {
    redact(text) {
      sorted ??= prepare();
      return sorted.reduce((shown, patterns) => patterns.hideIn(shown), text);
    },
    hide(secret) {
      if (secret === "" || obtained.has(secret)) return;
      obtained.add(secret);
      const [oldest] = obtained;
      if (obtained.size > mostObtained && oldest !== undefined) {
        obtained.delete(oldest);
        compiled.delete(oldest);
      }
      sorted = undefined;
    },
  };
}

/** A secret, the password in it where it is a URL, and the lines of one that has several, such as a key in PEM. */
function partsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  return [
    secret,
    ...passwordInUrl(secret),
    ...(lines.length > 1
      ? lines.filter((line) => line.length >= 16 && !line.startsWith("-----"))
      : []),
  ];
}

/** The error with no secret in it; all else of it stays. */
export function withoutSecrets(error: BindingError, redact: Redact): BindingError {
  const { reason, effect, retryAfter } = error;
  const message = redact(error.message);
  const systemCode = error.systemCode === undefined ? undefined : redact(error.systemCode);
  const metadata = error.metadata && withoutSecretValues(error.metadata, redact);
  if (
    message === error.message &&
    systemCode === error.systemCode &&
    metadata === error.metadata &&
    !holdsSecret(error.cause, redact)
  ) {
    return error;
  }
  const rest = { effect, systemCode, retryAfter };
  return new BindingError(reason, message, { ...rest, ...(metadata && { metadata }) });
}

/** What was thrown as a caller may see it. `redact`: of the component that was used; absent: none was. */
export function shownFailure(thrown: unknown, redact: Redact | undefined): BindingError {
  const failure = BindingError.from(thrown);
  return redact === undefined ? failure : withoutSecrets(failure, redact);
}

function withoutSecretValues(
  metadata: Record<string, string>,
  redact: Redact,
): Record<string, string> {
  const entries = Object.entries(metadata);
  const shown = entries.map(([name, value]): [string, string] => [redact(name), redact(value)]);
  const isSame = shown.every(([name, value]) => metadata[name] === value);
  return isSame ? metadata : Object.fromEntries(shown);
}

/** Whoever embeds the runtime may print an error with its causes and all that hangs on them. */
function holdsSecret(cause: unknown, redact: Redact): boolean {
  if (cause === undefined) return false;
  const text = inspect(cause, { depth: 4, breakLength: Number.POSITIVE_INFINITY });
  return redact(text) !== text;
}

import { formatAddress } from "../grpc/endpoint.ts";
import { newToken, shortestToken, type ConsoleTokens } from "../server/console/access.ts";
import type { ConsolePlace } from "./console-options.ts";
import { UsageError } from "./usage-error.ts";

const fullVariable = "CUFFLINK_CONSOLE_TOKEN";
const readOnlyVariable = "CUFFLINK_CONSOLE_READ_ONLY_TOKEN";

/**
 * The tokens of the environment, from which they are taken away: no program that is started beside needs them. Without one that
 * allows everything it is made anew. Throws a {@link UsageError}.
 */
export function takeTokens(env: NodeJS.ProcessEnv): ConsoleTokens & { readonly isNew: boolean } {
  const take = (name: string): string | undefined => {
    const value = env[name];
    delete env[name];
    if (value === undefined || value === "") return undefined;
    if (value.length >= shortestToken && /^[\x21-\x7e]+$/.test(value)) return value;
    throw new UsageError(
      `${name} is no token: it needs ${shortestToken} characters at least, of ASCII and without spaces`,
    );
  };
  const given = take(fullVariable);
  const readOnly = take(readOnlyVariable);
  if (given !== undefined && given === readOnly)
    throw new UsageError(`${fullVariable} and ${readOnlyVariable} are the same; make two of them`);
  return { full: given ?? newToken(), readOnly, isNew: given === undefined };
}

/** The console's address, for people. */
export function consoleUrl({ port, host }: ConsolePlace, isSecure: boolean): string {
  const reached = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `${isSecure ? "https" : "http"}://${formatAddress({ host: reached, port })}/`;
}

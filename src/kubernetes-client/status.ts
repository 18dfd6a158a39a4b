import { BindingError } from "../errors.ts";
import { failureOfStatus } from "../http-client/status.ts";

/** Whether the server does not know any more what was asked for, so that all is to be listed again. */
export function isForgotten({ systemCode }: BindingError): boolean {
  return systemCode === "Expired" || systemCode === "Gone" || systemCode === "410";
}

/** What a `Status` object of the API says. */
export function statusFailure(what: string, status: number, json: string): BindingError {
  const { message, code } = readStatus(json);
  const said = message === undefined ? "" : `: ${message}`;
  const { reason, effect } = failureOfStatus(status);
  return new BindingError(reason, `Kubernetes, ${what}: HTTP ${status}${said}`, {
    ...{ effect, systemCode: code ?? String(status) },
  });
}

const longestMessage = 1000;

/** The message of a `Status` object, and its reason as a code. */
export function readStatus(json: string): {
  readonly message: string | undefined;
  readonly code: string | undefined;
} {
  try {
    const { message, reason } = JSON.parse(json) as { message?: unknown; reason?: unknown };
    return {
      message: typeof message === "string" ? message.slice(0, longestMessage) : undefined,
      code: typeof reason === "string" && reason !== "" ? reason : undefined,
    };
  } catch {
    return { message: undefined, code: undefined };
  }
}

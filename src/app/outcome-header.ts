import type { Logger } from "../binding.ts";
import { decodeGrpcMessage } from "../grpc/status.ts";
import { parseDuration } from "../metadata/duration.ts";
import type { Outcome } from "../runtime/app.ts";

/**
 * Beside an error, what is to become of the event: a header of an HTTP answer, trailing or leading metadata of a
 * gRPC one. Its value is a word of {@link outcomeWords}, and may go on with `; ` and a reason, percent-encoded as
 * `grpc-message` is.
 */
const outcomeHeader = "cufflink-outcome";

/** Beside an error, the least pause before the next attempt: a Go duration, or a number of seconds. */
const retryAfterHeader = "cufflink-retry-after";

/** As the settlements of an event stream are called. */
const outcomeWords = ["dead_letter", "drop", "retry"] as const;
const longestQuote = 100;

type Refused = Outcome & { readonly kind: "refused" };

/** A header as it was read: some libraries give a list, where its name came more than once. */
export type HeaderValue = string | readonly string[] | undefined;

/** Reads what apps say about events that they have not handled. */
export class OutcomeHeaders {
  readonly #logger: Logger;
  /** The components and headers of which the log was told already. */
  readonly #warned = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * The outcome that the app says by its answer's headers; `refused` where it says nothing, or what nobody knows. `text`:
   * what else the answer says, for the reason if none is given.
   */
  of(
    component: string,
    headerOf: (name: string) => HeaderValue,
    refused: Refused,
    text: string,
  ): Outcome {
    const outcome = this.#outcomeOf(component, textOf(headerOf(outcomeHeader)), refused, text);
    const wait = textOf(headerOf(retryAfterHeader));
    if (wait === undefined || outcome.kind !== "refused" || outcome.final === true) return outcome;
    const after = parseDuration(wait.trim(), 1000);
    if (after !== undefined && after >= 0) return { ...outcome, after };
    this.#warn(component, retryAfterHeader, wait, "no duration, such as 90s: it is left out");
    return outcome;
  }

  #outcomeOf(
    component: string,
    value: string | undefined,
    refused: Refused,
    text: string,
  ): Outcome {
    if (value === undefined) return refused;
    const end = value.indexOf(";");
    const word = (end < 0 ? value : value.slice(0, end)).trim();
    const detail = end < 0 ? "" : decodeGrpcMessage(value.slice(end + 1).trim());
    const reason = detail || text || refused.reason;
    switch (word) {
      case "dead_letter":
        return { ...refused, reason, final: true };
      case "drop":
        return { kind: "dropped", reason };
      case "retry":
        return { ...refused, reason };
      default:
        this.#warn(
          component,
          outcomeHeader,
          value,
          `none of ${outcomeWords.join(", ")}: it counts as any failure`,
        );
        return refused;
    }
  }

  #warn(component: string, header: string, said: string, what: string): void {
    const about = `${header} ${component}`;
    if (this.#warned.has(about)) return;
    this.#warned.add(about);
    const facts = { component, [header]: said.slice(0, longestQuote) };
    this.#logger.warn(facts, `the app's ${header} is ${what}`);
  }
}

function textOf(value: HeaderValue): string | undefined {
  return value === undefined || typeof value === "string" ? value : value.join(", ");
}

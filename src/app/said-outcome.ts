import type { Logger } from "../binding.ts";
import { decodeGrpcMessage } from "../grpc/status.ts";
import type { Outcome } from "../runtime/app.ts";

/**
 * Beside an error, what is to become of the event: a header of an HTTP answer, trailing or leading metadata of a
 * gRPC one. Its value is a word of {@link saidWords}, and may go on with `; ` and a reason, percent-encoded as
 * `grpc-message` is.
 */
export const outcomeHeader = "cufflink-outcome";

/** As the settlements of an event stream are called. */
const saidWords = ["dead_letter", "drop", "retry"] as const;
const longestQuote = 100;

type Refused = Outcome & { readonly kind: "refused" };

/** A header as it was read: some libraries give a list, where its name came more than once. */
export type HeaderValue = string | readonly string[] | undefined;

/** Reads what apps say about events that they have not handled. */
export class SaidOutcomes {
  readonly #logger: Logger;
  /** The components of which the log was told already. */
  readonly #warned = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * The outcome that the app says; `refused` where it says nothing, or what nobody knows. `text`: what else the
   * answer says, for the reason if none is given.
   */
  of(component: string, value: HeaderValue, refused: Refused, text: string): Outcome {
    if (value === undefined) return refused;
    const said = typeof value === "string" ? value : value.join(", ");
    const end = said.indexOf(";");
    const word = (end < 0 ? said : said.slice(0, end)).trim();
    const told = end < 0 ? "" : decodeGrpcMessage(said.slice(end + 1).trim());
    const reason = told || text || refused.reason;
    switch (word) {
      case "dead_letter":
        return { ...refused, reason, final: true };
      case "drop":
        return { kind: "dropped", reason };
      case "retry":
        return { ...refused, reason };
      default:
        this.#warn(component, said);
        return refused;
    }
  }

  #warn(component: string, said: string): void {
    if (this.#warned.has(component)) return;
    this.#warned.add(component);
    this.#logger.warn(
      { component, [outcomeHeader]: said.slice(0, longestQuote), allowed: saidWords },
      `the app's ${outcomeHeader} is none of ${saidWords.join(", ")}: it counts as any failure`,
    );
  }
}

import type { InboundEvent, Logger } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import { string, type Field, type Parsed } from "../../metadata/fields.ts";
import { closest } from "../../metadata/suggest.ts";
import type { ClaimStore } from "../../store/store.ts";
import { FailFastTimeout } from "../fail-fast-timeout.ts";
import { noStore } from "../no-store.ts";

/**
 * The component field `deduplicate`: `undefined` is off, `id` the source's, `signature` what the sender has signed, else a
 * header's name in lower case.
 */
export type DeduplicateBy = { readonly header: string } | "id" | "signature" | undefined;

/** The component field `deduplicate`. */
export function deduplicateField(): Field<DeduplicateBy, true> {
  const text = string({
    description:
      "Suppress events that were handled before, identified by the source's `id`, by the signed parts (`signature`, for webhooks), or by the value of `header:NAME`. `off`: deliver all.",
    direction: "input",
    default: "off",
  });
  return { ...text, parse: parseDeduplicate };
}

function parseDeduplicate(text: string): Parsed<DeduplicateBy> {
  const written = text.trim();
  const word = written.toLowerCase();
  if (word === "off") return { value: undefined };
  if (word === "id" || word === "signature") return { value: word };
  if (word.startsWith("header:") && word.length > "header:".length)
    return { value: { header: word.slice("header:".length).trim() } };
  const meant = closest(written, ["off", "id", "signature", "header:NAME", "header"]);
  const suggestion =
    meant === undefined ? "" : `; did you mean ${meant === "header" ? "header:NAME" : meant}?`;
  return { problem: `must be off, id, signature or header:NAME${suggestion}` };
}

const lackingWords = {
  id: "no id of its own",
  signature: "no signature that was verified",
} as const;

export type DeduplicationOptions = {
  readonly claims: ClaimStore | undefined;
  readonly component: string;
  readonly by: NonNullable<DeduplicateBy>;
  /** For how long an event is remembered, in milliseconds. */
  readonly window: number;
  readonly logger: Logger;
};

/**
 * Tells events that were handled before. An event is claimed before it goes to the app and marked as done before
 * its source hears of it: of a process that ends in between, the claim is taken over. Where the store fails,
 * events are delivered all the same.
 */
export class Deduplication {
  readonly #options: DeduplicationOptions;
  /** The events that are with us now, with those that wait for what becomes of them. */
  readonly #held = new Map<string, (() => void)[]>();
  readonly #timeout = new FailFastTimeout();
  #inTrouble = false;
  #warned = false;

  /** As the component asks for it; `undefined`: it does not. */
  static of(options: {
    readonly name: string;
    readonly deduplicate: DeduplicateBy;
    readonly deduplicateWindow: number;
    readonly store: { readonly claims: ClaimStore } | undefined;
    readonly logger: Logger;
  }): Deduplication | undefined {
    const { name: component, deduplicate: by, deduplicateWindow: window, store, logger } = options;
    if (by === undefined) return undefined;
    return new Deduplication({ claims: store?.claims, component, by, window, logger });
  }

  constructor(options: DeduplicationOptions) {
    this.#options = options;
    if (options.claims === undefined)
      this.#tell(noStore, "duplicates of earlier events are not recognised");
  }

  /** What tells the event from others. `undefined`: nothing does, and it is delivered. */
  keyOf(event: InboundEvent): string | undefined {
    const key = this.#keyOf(event);
    if (key !== undefined || this.#warned) return key;
    this.#warned = true;
    const { by, logger } = this.#options;
    const lacking = typeof by === "string" ? lackingWords[by] : `no header ${by.header}`;
    logger.warn(
      { event: event.id },
      `an event has ${lacking}: it is delivered, and so are its duplicates`,
    );
    return undefined;
  }

  #keyOf({ id, idIsMadeUp, signedDigest, headers }: InboundEvent): string | undefined {
    const { by } = this.#options;
    // What is signed tells those apart that have no id.
    if (by === "id") return idIsMadeUp ? signedDigest?.() : id;
    if (by === "signature") return signedDigest?.();
    const header = headers.findLast(({ name }) => name.toLowerCase() === by.header);
    return header && Buffer.from(header.value).toString("latin1");
  }

  /**
   * Claims an event, once no other with that key is with us. False: it was handled before. Never rejects;
   * one that is claimed is followed by {@link complete} or {@link release}.
   */
  async claim(key: string): Promise<boolean> {
    for (let held = this.#held.get(key); held !== undefined; held = this.#held.get(key)) {
      const waiting = held;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    this.#held.set(key, []);
    const { claims, component, window } = this.#options;
    try {
      const claim =
        claims && (await this.#timeout.run(() => claims.claim(component, key, "", window)));
      this.#inTrouble &&= claims === undefined;
      if (claim?.state !== "done") return true;
      this.#free(key);
      return false;
    } catch (error) {
      this.#tell(messageOf(error), "duplicates cannot be recognised; all events are delivered");
      return true;
    }
  }

  /** It is handled: from now on its like are duplicates. Never rejects. */
  async complete(key: string): Promise<void> {
    const { claims, component, window } = this.#options;
    try {
      if (claims !== undefined)
        await this.#timeout.run(() => claims.complete(component, key, "", undefined, window));
    } catch (error) {
      this.#tell(messageOf(error), "a handled event cannot be marked; a duplicate is delivered");
    }
    this.#free(key);
  }

  /** It goes back to its source. */
  release(key: string): void {
    const { claims, component } = this.#options;
    claims?.release(component, key).catch(() => {
      // Whoever claims it next finds a claim that nobody works at, and takes it over.
    });
    this.#free(key);
  }

  #free(key: string): void {
    const waiting = this.#held.get(key);
    this.#held.delete(key);
    for (const wake of waiting ?? []) wake();
  }

  #tell(reason: string, message: string): void {
    if (this.#inTrouble) return;
    this.#inTrouble = true;
    this.#options.logger.warn({ reason }, message);
  }
}

import { clock } from "../../clock.ts";
import { createHash } from "node:crypto";
import type { Logger } from "../../binding.ts";
import { childOf, spanOf } from "../trace.ts";
import type { Entry } from "./entry.ts";

/** What was sent for a reply. */
type Sent = {
  /** The component whose event was replied to. */
  readonly component: string;
  /** The output that the reply went to. */
  readonly target: string;
  /** How many replies in a row led to it, this one included. */
  readonly generation: number;
};

/** So many replies in a row that came back as events are a loop. Pipelines and apps that page are shorter. */
const longestChain = 25;
/** What was sent before is forgotten. */
const mostSent = 10_000;
/** The rate is that of so many arrivals. */
const mostArrivals = 50;
/** A loop that brings nothing for so long is over, in milliseconds. */
const overAfter = 10_000;

/**
 * Recognises replies that come back as events, over one component or several. What a reply sends carries a span of its
 * own in its trace context, by which it is known again. Systems without headers bring none: there a component's reply
 * to itself is known by its bytes.
 */
export class Loops {
  /** By span, or by digest. */
  readonly #sent = new Map<string, Sent>();
  /** The components that have sent to themselves: what comes back may have no trace. */
  readonly #own = new Set<string>();

  /** Notes what a reply to the component's event sends, and returns the metadata that it is sent with. */
  sending(
    component: string,
    entry: Pick<Entry, "trace" | "generation">,
    target: string,
    data: Uint8Array | undefined,
  ): Record<string, string> {
    const traceparent = childOf(entry.trace["traceparent"]);
    const sent = { component, target, generation: entry.generation + 1 };
    this.#note(spanOf(traceparent), sent);
    if (target === component) {
      this.#own.add(component);
      this.#note(digestOf(component, data), sent);
    }
    return { traceparent };
  }

  /** What an event comes from, where that is a reply; `undefined`: it is none, as far as is known. */
  sourceOf(component: string, { event, trace }: Pick<Entry, "event" | "trace">): Sent | undefined {
    if (this.#sent.size === 0) return undefined;
    const known = this.#sent.get(spanOf(trace["traceparent"] ?? ""));
    if (known !== undefined || !this.#own.has(component)) return known;
    return this.#sent.get(digestOf(component, event.data));
  }

  #note(key: string, sent: Sent): void {
    this.#sent.delete(key);
    this.#sent.set(key, sent);
    if (this.#sent.size <= mostSent) return;
    const [oldest = ""] = this.#sent.keys();
    this.#sent.delete(oldest);
  }
}

function digestOf(component: string, data: Uint8Array | undefined): string {
  const hash = createHash("sha1").update(data ?? "");
  return `${component} ${hash.digest("base64")}`;
}

/** The loop that feeds one component, if there is one. */
export class OwnLoop {
  readonly #component: string;
  readonly #loops: Loops | undefined;
  readonly #logger: Logger;
  readonly #arrivals: number[] = [];
  /** What was sent last in a loop; `undefined`: there is none. */
  #loop: Sent | undefined;

  constructor(component: string, loops: Loops | undefined, logger: Logger) {
    this.#component = component;
    this.#loops = loops;
    this.#logger = logger;
  }

  /** Notes of an event that comes in how many replies in a row have led to it. */
  enter(entry: Entry): void {
    const sent = this.#loops?.sourceOf(this.#component, entry);
    if (sent === undefined) return;
    entry.generation = sent.generation;
    const now = clock.elapsed();
    if (this.#isOver) {
      this.#arrivals.length = 0;
      this.#loop = undefined;
    }
    this.#arrivals.push(now);
    if (this.#arrivals.length > mostArrivals) this.#arrivals.shift();
    if (sent.generation < longestChain) return;
    const isNew = this.#loop === undefined;
    this.#loop = sent;
    if (!isNew) return;
    const facts = { reason: this.#text(sent), rate: this.#rate };
    this.#logger.warn(facts, "a loop: replies come back as events without end");
  }

  /** What feeds the component, with the rate; empty: no loop does. */
  get reason(): string {
    const loop = this.#loop;
    if (loop === undefined || this.#isOver) return "";
    return `a loop of ${this.#rate}: ${this.#text(loop)}`;
  }

  get #isOver(): boolean {
    return clock.elapsed() - (this.#arrivals.at(-1) ?? -Infinity) > overAfter;
  }

  #text({ component, target }: Sent): string {
    return `replies to events of ${component} go to ${target} and come back as events of ${this.#component}`;
  }

  get #rate(): string {
    const [first = 0] = this.#arrivals;
    const seconds = ((this.#arrivals.at(-1) ?? first) - first) / 1000;
    const rate = (this.#arrivals.length - 1) / Math.max(seconds, 0.001);
    return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} events/s`;
  }
}

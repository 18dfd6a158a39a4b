import type { Logger } from "../binding.ts";
import { formatDuration } from "../metadata/duration.ts";
import type { AppCondition } from "./app-condition.ts";

export type AvailabilityLogOptions = {
  readonly logger: Logger;
  /** Facts that each line has. */
  readonly about: Readonly<Record<string, string>>;
  /** What is added to the message where the app has not been there for a while. */
  readonly advice: string;
  readonly condition: () => AppCondition;
};

/** A condition that passes sooner is not logged, in milliseconds: servers end connections that are made again at once. */
const settling = 250;
/** The pause before a condition that lasts is logged again; it doubles. Milliseconds. */
const pauses = { first: 10_000, longest: 3_600_000 };

/**
 * Logs how the app is: once when that changes, and again after growing pauses while the app cannot be given events.
 */
export class AvailabilityLog {
  readonly #options: AvailabilityLogOptions;
  /** The kind of condition that was logged last. */
  #logged: AppCondition["kind"] | undefined;
  #wasThere = false;
  /** Since when the app cannot be given events, by `performance.now()`. */
  #since = performance.now();
  #pause = pauses.first;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AvailabilityLogOptions) {
    this.#options = options;
  }

  /** To be called once at the beginning, and whenever the kind of the condition has changed. */
  changed(): void {
    clearTimeout(this.#timer);
    if (this.#options.condition().kind === "ready") return this.#logReady();
    if (this.#logged === "ready") {
      this.#logged = undefined;
      this.#since = performance.now();
    }
    this.#pause = pauses.first;
    this.#timer = setTimeout(() => this.#log(), settling).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #logReady(): void {
    const { logger, about } = this.#options;
    const before = this.#logged;
    const facts = { ...about, after: this.#elapsed };
    if (!this.#wasThere) logger.info(before === undefined ? about : facts, "the app is there");
    else if (before === "unhealthy") logger.info(facts, "the app is healthy again");
    else if (before !== undefined && before !== "ready") logger.info(facts, "the app is back");
    this.#logged = "ready";
    this.#wasThere = true;
  }

  #log(): void {
    const { logger, about, condition } = this.#options;
    const { kind, reason } = condition();
    if (kind === "ready") return;
    const isFirst = this.#logged !== kind;
    this.#logged = kind;
    const facts = { ...about, reason, ...(isFirst ? {} : { for: this.#elapsed }) };
    if (kind === "wrong protocol") logger.error(facts, "the app speaks another protocol");
    else if (this.#wasThere)
      logger.warn(facts, `the app is ${kind === "absent" ? "away" : kind}; its events wait`);
    else if (isFirst) logger.info(facts, "waiting for the app");
    else if (kind === "absent")
      logger.warn(facts, `still waiting for the app${this.#options.advice}`);
    else logger.warn(facts, "still waiting for the app to be healthy");
    this.#timer = setTimeout(() => this.#log(), this.#pause).unref();
    this.#pause = Math.min(this.#pause * 2, pauses.longest);
  }

  get #elapsed(): string {
    return formatDuration(Math.round(performance.now() - this.#since));
  }
}

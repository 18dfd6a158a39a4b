import { messageOf } from "../errors.ts";
import { longestTimer } from "../metadata/duration.ts";

export type AppHealthOptions = {
  /** What an HTTP app serves. Default `/healthz`. */
  readonly path?: string | undefined;
  /** Milliseconds between probes. Default, also for 0 and below, 5,000. */
  readonly interval?: number | undefined;
  /** Milliseconds for one probe. Default, also for 0 and below, 500. */
  readonly timeout?: number | undefined;
  /** Failed probes in a row after which a healthy app is not. Default, also for 0 and below, 3. */
  readonly threshold?: number | undefined;
};

/**
 * Whether the app says that it is well. It counts as unwell until the first probe succeeds, and again
 * once `threshold` in a row have failed; one that succeeds makes it well.
 */
export class AppHealth {
  readonly #probe: (timeout: number) => Promise<void>;
  readonly #changed: () => void;
  readonly #interval: number;
  readonly #timeout: number;
  readonly #threshold: number;
  #failures = 0;
  #reason = "the app has not answered a health check yet";
  #round = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `probe` throws when the app is not well; `changed` is called after {@link reason} has changed. */
  constructor(
    options: AppHealthOptions,
    probe: (timeout: number) => Promise<void>,
    changed: () => void,
  ) {
    this.#interval = positive(options.interval, 5000);
    this.#timeout = positive(options.timeout, 500);
    this.#threshold = positive(options.threshold, 3);
    this.#probe = probe;
    this.#changed = changed;
  }

  /** Why the app counts as unwell; empty while it is well. */
  get reason(): string {
    return this.#reason;
  }

  /** Probes at once and then regularly. To be called when the app can be reached (again). */
  start(): void {
    this.stop();
    void this.#run(this.#round);
  }

  /** Probes no more, and takes the app as unwell: what comes back may be another process. */
  stop(): void {
    this.#round += 1;
    clearTimeout(this.#timer);
    this.#failures = this.#threshold;
    this.#reason ||= "the app has not answered a health check since it came back";
  }

  async #run(round: number): Promise<void> {
    const failure = await this.#probe(this.#timeout).then(
      () => undefined,
      (thrown: unknown) => messageOf(thrown),
    );
    if (round !== this.#round) return;
    const before = this.#reason;
    if (failure === undefined) {
      this.#failures = 0;
      this.#reason = "";
    } else {
      this.#failures += 1;
      if (this.#failures >= this.#threshold) {
        this.#reason = `the app is unhealthy: its health check failed: ${failure}`;
      }
    }
    this.#timer = setTimeout(() => void this.#run(round), Math.min(this.#interval, longestTimer));
    if ((before === "") !== (this.#reason === "")) this.#changed();
  }
}

function positive(value: number | undefined, otherwise: number): number {
  return value !== undefined && value > 0 ? value : otherwise;
}

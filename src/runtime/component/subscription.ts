import type { Logger, Reader } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import { faultPoints, reach } from "../../fault-point.ts";
import type { App } from "../app.ts";
import type { Delivery } from "../delivery/delivery.ts";

export type SubscriptionOptions = {
  readonly app: App;
  readonly name: string;
  readonly route: string;
  /** The component says its direction: the app is not asked. */
  readonly declared: boolean;
  readonly logger: Logger;
  /** The signal is aborted when the reading is to end. */
  readonly begin: (signal: AbortSignal) => Promise<{ reader: Reader; delivery: Delivery }>;
  readonly ended: (delivery: Delivery) => void;
  readonly failed: (error: unknown) => void;
  /** Told what the app says, as often as it is asked. */
  readonly onState: (state: SubscriptionState) => void;
};

/** `unanswered`, `unwanted`: how many times in a row that was so, 1 for the first. */
export type SubscriptionState =
  | { readonly kind: "wanted" | "app away"; readonly reason: string }
  | { readonly kind: "unanswered" | "unwanted"; readonly reason: string; readonly times: number };

/** An app that has subscribed to other inputs alone may be about to subscribe to this one, too. Milliseconds. */
const subscribing = 1_000;
/** A "no" is asked again after this long, and when the app comes back. */
const askNoAgainAfter = 60_000;
/** The pauses after an answer that decides nothing grow up to this. */
const longestPause = 5_000;
/** A step of ending that a dead connection holds up is abandoned after this long. */
const longestStep = 10_000;

/**
 * Whether the app wants an input, asked until it says so, and the reading that follows from it. Late
 * and restarting apps are normal: each return of the app asks again.
 */
export class Subscription {
  readonly #options: SubscriptionOptions;
  readonly #ended = new AbortController();
  #reading: { reader: Reader; delivery: Delivery } | undefined;
  /** How long the app may finish what it has, in milliseconds; no limit while this does not end. */
  #allowed = Number.POSITIVE_INFINITY;
  /** The delivery of a reading that ends at this moment. */
  #stopping: Delivery | undefined;
  #beginning: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  /** The end waits no more for a reading that is still beginning. */
  #gaveUp = false;
  #cameBack = 0;
  #wake: (() => void) | undefined;
  #finished: Promise<{ abandoned: number }> | undefined;
  readonly #unsubscribe: () => void;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#unsubscribe = options.app.onAvailability(() => {
      if (options.app.available) this.#cameBack++;
      this.#wake?.();
    });
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      // One that was cancelled in its beginning has not failed.
      if (!this.#ended.signal.aborted) this.#options.failed(error);
    });
  }

  /**
   * Stops reading, waits for the app up to `deadline` ms, confirms what was settled, releases the consumer.
   * Called again with less time, the app has that.
   */
  end(deadline: number): Promise<{ abandoned: number }> {
    this.#allowed = Math.min(this.#allowed, deadline);
    void this.#stopping?.drain(deadline);
    return (this.#finished ??= this.#finish());
  }

  async #run(): Promise<void> {
    const { app, onState, name, route } = this.#options;
    const { signal } = this.#ended;
    const unwanted = (times: number): SubscriptionState => {
      const why = app.whyUnwanted?.({ name, route }) ?? "";
      const reason = `the app does not subscribe to ${name}${why && `: ${why}`}`;
      return { kind: "unwanted", reason, times };
    };
    let unanswered = 0;
    let refused = 0;
    let others = 0;
    while (!signal.aborted) {
      if (!app.available) {
        const takesOthers = app.takesOthersOnly === true;
        if (others > 0 && takesOthers) onState(unwanted(others));
        else if (this.#reading === undefined)
          onState({ kind: "app away", reason: app.unavailableReason });
        const looksAgain = others === 0 ? subscribing : askNoAgainAfter;
        others = takesOthers ? others + 1 : 0;
        await this.#pause(
          takesOthers ? looksAgain : undefined,
          () => app.available || takesOthers !== (app.takesOthersOnly === true),
        );
        continue;
      }
      others = 0;
      const seen = this.#cameBack;
      let wanted: boolean;
      try {
        wanted = this.#options.declared || (await this.#ask());
      } catch (error) {
        if (signal.aborted) return;
        unanswered++;
        const reason = `the app did not say whether it wants ${name}: ${messageOf(error)}`;
        if (this.#reading === undefined) onState({ kind: "unanswered", reason, times: unanswered });
        await this.#pause(Math.min(longestPause, 250 * 2 ** unanswered), () => false);
        continue;
      }
      unanswered = 0;
      refused = wanted ? 0 : refused + 1;
      if (signal.aborted) return;
      if (wanted) await this.#begin();
      else await this.#stop();
      onState(wanted ? { kind: "wanted", reason: "" } : unwanted(refused));
      await this.#pause(wanted ? undefined : askNoAgainAfter, () => this.#cameBack !== seen);
    }
  }

  async #ask(): Promise<boolean> {
    const { app, name, route } = this.#options;
    return app.wants({ name, route }, this.#ended.signal);
  }

  async #begin(): Promise<void> {
    if (this.#reading !== undefined) return;
    this.#beginning = (async () => {
      this.#reading = await this.#options.begin(this.#ended.signal);
      if (this.#gaveUp) await this.#stop();
    })();
    await this.#beginning;
  }

  async #finish(): Promise<{ abandoned: number }> {
    this.#ended.abort();
    this.#unsubscribe();
    this.#wake?.();
    await this.#quietly("begin", async () => this.#beginning?.catch(() => undefined));
    // One that still begins has had its time.
    if (this.#reading === undefined) this.#allowed = 0;
    this.#gaveUp = true;
    const result = await this.#stop();
    await this.#quietly("end", async () => this.#running);
    return result;
  }

  async #stop(): Promise<{ abandoned: number }> {
    const reading = this.#reading;
    this.#reading = undefined;
    if (reading === undefined) return { abandoned: 0 };
    const { reader, delivery } = reading;
    await this.#quietly("stop", () => reader.stop());
    this.#stopping = delivery;
    const result = await delivery.drain(this.#allowed);
    if (faultPoints) reach("before flush");
    await this.#quietly("flush", () => reader.flush());
    if (faultPoints) reach("flushed");
    await this.#quietly("close", () => reader.close());
    this.#stopping = undefined;
    this.#options.ended(delivery);
    return result;
  }

  async #quietly(step: string, run: () => Promise<void> | void): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("took too long")), longestStep);
    try {
      await Promise.race([run(), late.promise]);
    } catch (error) {
      this.#options.logger.warn(
        { step, reason: messageOf(error) },
        "the input could not be closed cleanly",
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves after the time, when the condition comes true at a change of the app, or at the end. */
  async #pause(milliseconds: number | undefined, until: () => boolean): Promise<void> {
    if (this.#ended.signal.aborted || until()) return;
    await new Promise<void>((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(done, milliseconds);
      const check = (): void => {
        if (this.#ended.signal.aborted || until()) done();
      };
      function done(): void {
        clearTimeout(timer);
        resolve();
      }
      this.#wake = check;
    });
    this.#wake = undefined;
  }
}

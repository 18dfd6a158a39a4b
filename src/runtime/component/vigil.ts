import type { AnyBinding, LogFields, Logger } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Opened } from "./opening.ts";
import { StallDetector, type StallFacts } from "./stall.ts";
import { unlessAborted } from "../unless-aborted.ts";

export type VigilOptions = {
  readonly binding: AnyBinding;
  readonly opened: Opened;
  /** Milliseconds; 0: a backlog that stands still is no reason. */
  readonly stallTimeout: number;
  readonly logger: Logger;
  readonly facts: () => StallFacts;
  /** Called once at most: the connection is to be made anew. */
  readonly stalled: (stall: Stall) => void;
};

/** Why a connection that seems to be open is made anew. */
export class Stall extends Error {
  override readonly name = "Stall";
}

/** Milliseconds between two heart-beats. */
const beat = 30_000;
/** Heart-beats that fail one after another before the connection counts as dead. */
const deadAfter = 3;
/** How often the source is asked for its backlog, in milliseconds. */
const asking = 10_000;
/** How long either may take, in milliseconds. */
const patience = 10_000;

/**
 * Watches an open connection for what its driver does not notice: a heart-beat that fails or hangs, and events
 * that wait at the source while none comes.
 */
export class Vigil {
  readonly #options: VigilOptions;
  readonly #detector: StallDetector;
  readonly #over = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #backlog: number | undefined;
  #failures = 0;
  #busy = new Set<string>();

  constructor(options: VigilOptions) {
    this.#options = options;
    this.#detector = new StallDetector(options.stallTimeout);
    const { binding } = options;
    if (binding.ping !== undefined) this.#every(beat, "ping", (signal) => this.#ping(signal));
    if (binding.backlog !== undefined)
      this.#every(asking, "backlog", (signal) => this.#look(signal));
  }

  /** The events that wait at the source, when it was last asked. */
  get backlog(): number | undefined {
    return this.#backlog;
  }

  received(events: number): void {
    if (events > 0) this.#detector.received();
  }

  end(): void {
    this.#over.abort();
    for (const timer of this.#timers) clearInterval(timer);
  }

  #every(milliseconds: number, what: string, run: (signal: AbortSignal) => Promise<void>): void {
    const timer = setInterval(() => {
      // One that hangs is not joined by another.
      if (this.#busy.has(what)) return;
      this.#busy.add(what);
      void this.#within(run).finally(() => this.#busy.delete(what));
    }, milliseconds);
    timer.unref();
    this.#timers.push(timer);
  }

  async #within(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), patience);
    timer.unref();
    try {
      await run(AbortSignal.any([late.signal, this.#over.signal]));
    } finally {
      clearTimeout(timer);
    }
  }

  async #ping(signal: AbortSignal): Promise<void> {
    const { binding, opened, logger } = this.#options;
    try {
      const answer = Promise.resolve(binding.ping?.(opened.connection, signal));
      await unlessAborted(answer, signal, () => unanswered("no answer to the heart-beat"));
      this.#failures = 0;
    } catch (error) {
      // Whoever says no is there.
      if (error instanceof BindingError && error.effect === "rejected") this.#failures = 0;
      else if (!this.#over.signal.aborted) this.#missed(opened.redact(messageOf(error)), logger);
    }
  }

  #missed(reason: string, logger: Logger): void {
    this.#failures++;
    if (this.#failures < deadAfter) return logger.debug({ reason }, "a heart-beat failed");
    this.#end(`${deadAfter} heart-beats in a row failed: ${reason}`, { reason });
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { binding, opened, facts: look } = this.#options;
    try {
      const asked = Promise.resolve(binding.backlog?.(opened.connection, signal));
      this.#backlog = await unlessAborted(asked, signal, () =>
        unanswered("no answer about the backlog"),
      );
    } catch {
      // Whether the connection lives, the heart-beat says.
      this.#backlog = undefined;
      return;
    }
    if (this.#over.signal.aborted || this.#backlog === undefined) return;
    const evidence = this.#detector.look(this.#backlog, look());
    if (evidence === undefined) return;
    const { seconds, ...facts } = evidence;
    const { waitingAtSource } = facts;
    this.#end(`${waitingAtSource} events wait at the source, and none came for ${seconds} s`, {
      ...facts,
      for: `${seconds}s`,
    });
  }

  #end<Facts extends object>(reason: string, evidence: LogFields<Facts>): void {
    if (this.#over.signal.aborted) return;
    this.end();
    const { logger, stalled } = this.#options;
    logger.error(evidence, `stalled: ${reason}; connecting anew`);
    stalled(new Stall(reason));
  }
}

function unanswered(text: string): BindingError {
  return new BindingError("deadline_exceeded", text, { effect: "ambiguous" });
}

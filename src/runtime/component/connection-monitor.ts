import { clock, type Timer } from "../../clock.ts";
import type { AnyBinding, LogFields, Logger } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Opened } from "./opening.ts";
import { StallDetector, type StallFacts } from "./stall.ts";
import { abortable } from "../../abortable.ts";

export type ConnectionMonitorOptions = {
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

/** Milliseconds between two heartbeats. */
const pingInterval = 30_000;
/** Heartbeats that fail one after another before the connection counts as dead. */
const mostFailedPings = 3;
/** How often the source is asked for its backlog, in milliseconds. */
const backlogInterval = 10_000;
/** How long either may take, in milliseconds. */
const requestTimeout = 10_000;

/**
 * Watches an open connection for what its driver does not notice: a heartbeat that fails or hangs, and events
 * that wait at the source while none comes.
 */
export class ConnectionMonitor {
  readonly #options: ConnectionMonitorOptions;
  readonly #detector: StallDetector;
  readonly #ended = new AbortController();
  readonly #timers: Timer[] = [];
  #backlog: number | undefined;
  #failures = 0;
  #busy = new Set<string>();

  constructor(options: ConnectionMonitorOptions) {
    this.#options = options;
    this.#detector = new StallDetector(options.stallTimeout);
    const { binding } = options;
    if (binding.ping !== undefined)
      this.#every(pingInterval, "ping", (signal) => this.#ping(signal));
    if (binding.backlog !== undefined)
      this.#every(backlogInterval, "backlog", (signal) => this.#checkBacklog(signal));
  }

  /** The events that wait at the source, when it was last asked. */
  get backlog(): number | undefined {
    return this.#backlog;
  }

  received(events: number): void {
    if (events > 0) this.#detector.received();
  }

  end(): void {
    this.#ended.abort();
    for (const timer of this.#timers) clock.clearTimeout(timer);
  }

  #every(milliseconds: number, what: string, run: (signal: AbortSignal) => Promise<void>): void {
    const timer = clock.setInterval(() => {
      // One that hangs is not joined by another.
      if (this.#busy.has(what)) return;
      this.#busy.add(what);
      void this.#withTimeout(run).finally(() => this.#busy.delete(what));
    }, milliseconds);
    timer.unref();
    this.#timers.push(timer);
  }

  async #withTimeout(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const late = new AbortController();
    const timer = clock.setTimeout(() => late.abort(), requestTimeout);
    timer.unref();
    try {
      await run(AbortSignal.any([late.signal, this.#ended.signal]));
    } finally {
      clock.clearTimeout(timer);
    }
  }

  async #ping(signal: AbortSignal): Promise<void> {
    const { binding, opened, logger } = this.#options;
    try {
      const answer = Promise.resolve(binding.ping?.(opened.connection, signal));
      await abortable(answer, signal, () => noAnswer("no answer to the heartbeat"));
      this.#failures = 0;
    } catch (error) {
      // Whoever says no is there.
      if (error instanceof BindingError && error.effect === "rejected") this.#failures = 0;
      else if (!this.#ended.signal.aborted)
        this.#pingFailed(opened.redact(messageOf(error)), logger);
    }
  }

  #pingFailed(reason: string, logger: Logger): void {
    this.#failures++;
    if (this.#failures < mostFailedPings) return logger.debug({ reason }, "a heartbeat failed");
    this.#end(`${mostFailedPings} heartbeats in a row failed: ${reason}`, { reason });
  }

  async #checkBacklog(signal: AbortSignal): Promise<void> {
    const { binding, opened, facts: look } = this.#options;
    try {
      const asked = Promise.resolve(binding.backlog?.(opened.connection, signal));
      this.#backlog = await abortable(asked, signal, () => noAnswer("no answer about the backlog"));
    } catch {
      // Whether the connection lives, the heartbeat says.
      this.#backlog = undefined;
      return;
    }
    if (this.#ended.signal.aborted || this.#backlog === undefined) return;
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
    if (this.#ended.signal.aborted) return;
    this.end();
    const { logger, stalled } = this.#options;
    logger.error(evidence, `stalled: ${reason}; reconnecting`);
    stalled(new Stall(reason));
  }
}

function noAnswer(text: string): BindingError {
  return new BindingError("deadline_exceeded", text, { effect: "ambiguous" });
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { ByteParts } from "../memory/byte-parts.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import type { InboundEvent } from "../reading.ts";
import { Exchange } from "./exchange.ts";

export type ReceiverOptions = {
  readonly methods: readonly string[];
  /** Bytes of a body; more is answered 413. */
  readonly maxBodySize: number;
  /** Milliseconds from the end of a request until it is answered 503. */
  readonly responseTimeout: number;
  /** The memory for bodies, shared with all who listen. */
  readonly memory: {
    /** Counts so many bytes. False: there is no room for them. */
    reserve(bytes: number): boolean;
    release(bytes: number): void;
  };
  /** Looks at a request before anything of its body is read. */
  readonly admit?: (exchange: Exchange) => Promise<Refusal | undefined>;
  /** Looks at a request once its body is there. */
  readonly verify?: (exchange: Exchange) => Refusal | undefined;
  /**
   * The events of a request, which answer it once they are settled. None: the request is answered by then, or is refused.
   */
  readonly eventsOf: (exchange: Exchange) => readonly InboundEvent[];
  readonly deliver: (events: readonly InboundEvent[]) => Promise<void>;
  readonly logger: Logger;
};

/** How a request is answered that is not taken. */
export type Refusal = {
  readonly status: number;
  readonly text: string;
  /** For the log: why it is not the sender's. It quotes neither secrets nor signatures. Absent: it is not logged. */
  readonly reason?: string;
};

/** The most requests that are open at one time; further ones are answered 503 at once. */
const mostOpen = 1000;
/** Requests of strangers are said once, then as a count at most this often, in milliseconds. */
const warnAgainAfter = 60_000;
/** How long answers may take to get out before {@link Receiver.flush} waits no more, in milliseconds. */
const longestFlush = 2_000;

/** Takes the requests of one component and answers each exactly once. */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #open = new Set<Exchange>();
  /** Verified, with their bodies, and waiting until the app has room. */
  readonly #waiting = new Set<Exchange>();
  #delivering = false;
  #stopped = false;
  #refused = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { methods, maxBodySize } = this.#options;
    const exchange = new Exchange(request, response);
    this.#open.add(exchange);
    exchange.onClosed = () => {
      this.#open.delete(exchange);
      this.#leave(exchange);
      exchange.revoked.abort();
    };
    if (!methods.includes(request.method ?? "")) {
      const allow = methods.join(", ");
      return exchange.refuse(405, `only ${allow} is taken here`, { allow });
    }
    if (this.#stopped || this.#open.size > mostOpen) return exchange.unavailable();
    if (Number(request.headers["content-length"] ?? 0) > maxBodySize) {
      return exchange.refuse(413, tooLarge(maxBodySize));
    }
    this.#receive(exchange).catch((error: unknown) => {
      this.#options.logger.error({ reason: messageOf(error) }, "request not accepted");
      exchange.unavailable();
    });
  }

  /** Answers what the app does not have yet; the rest can still be settled. */
  stop(): void {
    this.#stopped = true;
    for (const exchange of this.#open) if (!exchange.delivered) exchange.unavailable();
    if (this.#refused > 0) this.#warnRefused();
  }

  /** Resolves when the answers so far are out, or their time has passed. */
  async flush(): Promise<void> {
    const sending = [...this.#open].filter((one) => one.answered).map((one) => one.closed);
    if (sending.length === 0) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, longestFlush);
    await Promise.race([Promise.all(sending), late.promise]);
    clearTimeout(timer);
  }

  /** Answers what is still open. */
  close(): void {
    this.#stopped = true;
    for (const exchange of this.#open) exchange.unavailable();
  }

  async #receive(exchange: Exchange): Promise<void> {
    const { admit, verify, responseTimeout } = this.#options;
    const stranger = admit === undefined ? undefined : await admit(exchange);
    if (stranger !== undefined) return this.#refuse(exchange, stranger);
    if (!(await this.#readBody(exchange))) return;
    exchange.expectAnswer(responseTimeout);
    const refusal = verify?.(exchange);
    if (refusal !== undefined) return this.#refuse(exchange, refusal);
    this.#waiting.add(exchange);
    await this.#deliver();
  }

  #refuse(exchange: Exchange, { status, text, reason }: Refusal): void {
    if (reason !== undefined) this.#countRefused(reason);
    if (status === 503) exchange.unavailable();
    else exchange.refuse(status, text);
  }

  /** Collects the body; false when the request was answered or has gone meanwhile. */
  async #readBody(exchange: Exchange): Promise<boolean> {
    const { maxBodySize, memory } = this.#options;
    // It may have gone while it was looked at.
    if (exchange.answered || exchange.gone) return false;
    const parts = new ByteParts();
    // Not an iterator: leaving one early would destroy the connection before the answer is out.
    const ended = await new Promise<boolean>((resolve) => {
      exchange.request.on("data", (chunk: Buffer) => {
        if (exchange.answered) return bytesPassed(chunk.length);
        if (parts.size + chunk.length > maxBodySize)
          return exchange.refuse(413, tooLarge(maxBodySize));
        if (!memory.reserve(chunk.length)) return exchange.unavailable();
        exchange.held += chunk.length;
        parts.add(chunk);
      });
      exchange.request.once("end", () => resolve(true));
      exchange.request.once("close", () => resolve(false));
    });
    if (!ended || exchange.answered || exchange.gone) {
      parts.clear();
      return false;
    }
    exchange.body = parts.whole();
    return true;
  }

  /** Hands over one request after another, each when there is room. */
  async #deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    const { eventsOf, deliver, logger } = this.#options;
    for (const exchange of this.#waiting) {
      this.#leave(exchange);
      // Nobody waits for it any more.
      if (exchange.answered || exchange.gone) continue;
      try {
        const events = eventsOf(exchange);
        if (events.length === 0) continue;
        exchange.delivered = true;
        await deliver(events);
      } catch (error) {
        logger.warn({ reason: messageOf(error) }, "request not delivered");
        exchange.unavailable();
      }
    }
    this.#delivering = false;
  }

  /** Nothing of it is held here any more. */
  #leave(exchange: Exchange): void {
    this.#waiting.delete(exchange);
    this.#options.memory.release(exchange.held);
    exchange.held = 0;
  }

  #countRefused(reason: string): void {
    this.#refused++;
    if (performance.now() - this.#warnedAt >= warnAgainAfter) this.#warnRefused(reason);
  }

  #warnRefused(reason?: string): void {
    this.#options.logger.warn(
      { requests: this.#refused, ...(reason === undefined ? {} : { reason }) },
      "requests refused, they are not signed by the sender",
    );
    this.#refused = 0;
    this.#warnedAt = performance.now();
  }
}

function tooLarge(maxBodySize: number): string {
  return `the body is larger than ${maxBodySize} bytes`;
}

import type { IncomingMessage, ServerResponse } from "node:http";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { ByteParts } from "../memory/byte-parts.ts";
import { bytesPassed } from "../memory/garbage-collection.ts";
import type { InboundEvent } from "../reading.ts";
import { Exchange, type ReplyTypes } from "./exchange.ts";
import type { Verify } from "./verify.ts";

export type ReceiverOptions = {
  readonly verify: Verify;
  readonly methods: readonly string[];
  /** In bytes. */
  readonly maxBodySize: number;
  /** How long the app may take, in milliseconds. */
  readonly responseTimeout: number;
  readonly replyTypes: ReplyTypes;
  /** The event that a verified request is. */
  readonly eventOf: (exchange: Exchange, settle: InboundEvent["settle"]) => InboundEvent;
  /** The memory for bodies. */
  readonly memory: {
    /** Counts so many bytes. False: there is no room for them. */
    reserve(bytes: number): boolean;
    release(bytes: number): void;
  };
  readonly reading: {
    readonly deliver: (events: readonly InboundEvent[]) => Promise<void>;
    readonly logger: Logger;
  };
};

/** The most requests that are open at one time; further ones are answered 503 at once. */
const mostOpen = 1000;
/** Wrong signatures are said once, then as a count at most this often, in milliseconds. */
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
    const { maxBodySize, methods } = this.#options;
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
      this.#options.reading.logger.error({ reason: messageOf(error) }, "request not accepted");
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
    if (!(await this.#readBody(exchange))) return;
    exchange.expectAnswer(this.#options.responseTimeout);
    const reason = this.#options.verify(exchange);
    if (reason !== undefined) {
      this.#countRefused(reason);
      return exchange.refuse(403, "the signature is missing or wrong");
    }
    this.#waiting.add(exchange);
    await this.#deliver();
  }

  /** Collects the body; false when the request was answered or has gone meanwhile. */
  async #readBody(exchange: Exchange): Promise<boolean> {
    const { maxBodySize, memory } = this.#options;
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
    const { reading, replyTypes, eventOf } = this.#options;
    for (const exchange of this.#waiting) {
      this.#leave(exchange);
      // Nobody waits for it any more.
      if (exchange.answered || exchange.gone) continue;
      try {
        const event = eventOf(exchange, (settlement) => {
          if (settlement.outcome === "returned") exchange.unavailable(settlement.after);
          else if (settlement.movedTo !== undefined) exchange.accepted(settlement.movedTo);
          else exchange.reply(settlement.reply, replyTypes);
        });
        exchange.delivered = true;
        await reading.deliver([event]);
      } catch (error) {
        reading.logger.warn({ reason: messageOf(error) }, "request not delivered");
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
    this.#options.reading.logger.warn(
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

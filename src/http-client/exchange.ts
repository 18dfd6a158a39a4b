import { abortFailure } from "../abortable.ts";
import type { IncomingHttpHeaders } from "node:http";
import { createGunzip } from "node:zlib";
import type { Readable } from "node:stream";
import type { Gunzip } from "node:zlib";
import type { Dispatcher } from "undici";
import { ByteParts } from "../memory/byte-parts.ts";
import { BindingError } from "../errors.ts";
import type { Effect } from "../errors.ts";
import { assuredBytes, type MemoryShare, type Reservation } from "../memory/budget.ts";
import { describeAddress } from "./address.ts";
import type { Address } from "./address.ts";
import type { ConnectionSlots } from "./connection-slots.ts";
import { connectionText, wasClosed } from "./connection-text.ts";

/** One request on the wire, and what came back. */
export type Exchange = {
  readonly address: Address;
  readonly method: string;
  readonly headers: string[];
  /** A stream is sent in chunks, and once: no redirect is followed with it. */
  readonly body: Uint8Array | Readable | undefined;
  /** Whether gzip was asked for, and is to be taken off again. */
  readonly gunzip: boolean;
  /** The most bytes of the body to keep; Infinity: all. */
  readonly maxBody: number;
};

/** What requests go through. */
export type Channel = {
  readonly dispatcher: Dispatcher;
  readonly slots: ConnectionSlots;
  /** What answers are gathered in. */
  readonly memory: MemoryShare;
};

export type Answered = {
  readonly status: number;
  readonly phrase: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body went on beyond the limit. */
  readonly cut: boolean;
};

/**
 * Sends one request and collects the answer. Rejects with a `BindingError`: `unsent` where no
 * connection came about, `ambiguous` once the request was on its way.
 */
export function exchange(
  channel: Channel,
  wanted: Exchange,
  signal: AbortSignal,
): Promise<Answered> {
  const { origin } = wanted.address;
  const { slots } = channel;
  if (slots.tryTake(origin)) return dispatch(channel, wanted, signal);
  return slots.take(origin, signal).then(
    () => dispatch(channel, wanted, signal),
    (reason: unknown) => {
      throw abortFailure(
        describe(wanted),
        reason,
        "unsent",
        `, waiting for a connection (maxConnections)`,
      );
    },
  );
}

/** With a slot that was taken. It is given back when the driver is done with the connection, which may be later than the answer. */
function dispatch(
  { dispatcher, slots, memory }: Channel,
  wanted: Exchange,
  signal: AbortSignal,
): Promise<Answered> {
  const { origin } = wanted.address;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      slots.release(origin);
      reject(abortFailure(describe(wanted), signal.reason, "unsent"));
      return;
    }
    const handler = new Collector(wanted, signal, memory.open(assuredBytes), {
      release: () => slots.release(origin),
      resolve,
      reject,
    });
    dispatcher.dispatch(
      {
        origin: wanted.address.origin,
        path: wanted.address.path,
        method: wanted.method,
        headers: wanted.headers,
        body: wanted.body ?? null,
      },
      handler,
    );
  });
}

type Ends = {
  /** The connection is free. */
  readonly release: () => void;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: BindingError) => void;
};

class Collector implements Dispatcher.DispatchHandler {
  readonly #wanted: Exchange;
  readonly #signal: AbortSignal;
  readonly #memory: Reservation;
  readonly #ends: Ends;
  readonly #abort = (): void =>
    this.#fail(abortFailure(describe(this.#wanted), this.#signal.reason, this.#effect()));
  readonly #parts = new ByteParts();
  #isReleased = false;
  #controller: Dispatcher.DispatchController | undefined;
  #gunzip: Gunzip | undefined;
  #zipped = false;
  #done = false;
  #status = 0;
  #phrase: string | undefined;
  #headers: IncomingHttpHeaders = {};

  constructor(wanted: Exchange, signal: AbortSignal, memory: Reservation, ends: Ends) {
    this.#wanted = wanted;
    this.#signal = signal;
    this.#memory = memory;
    this.#ends = ends;
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Cancelled while it waited for a connection: nothing is written then.
    if (this.#done) controller.abort(new Error("cancelled"));
    else this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    phrase?: string,
  ): void {
    if (status < 200) return;
    this.#status = status;
    this.#phrase = phrase;
    this.#headers = headers;
    if (this.#wanted.gunzip && /^(x-)?gzip$/i.test(headers["content-encoding"] ?? "")) {
      this.#gunzip = this.#startGunzip();
      delete headers["content-encoding"];
      delete headers["content-length"];
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#gunzip === undefined) this.#keep(chunk);
    else {
      this.#zipped = true;
      if (!this.#gunzip.write(chunk)) controller.pause();
    }
  }

  onResponseEnd(): void {
    this.#over();
    if (this.#gunzip === undefined || !this.#zipped) this.#succeed(false);
    else this.#gunzip.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#over();
    this.#fail(this.#connectionFailure(error));
  }

  /** The driver is done with it. One answer may end twice: a proxy that wants a password. */
  #over(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#ends.release();
  }

  #startGunzip(): Gunzip {
    const gunzip = createGunzip();
    gunzip.on("data", (chunk: Buffer) => this.#keep(chunk));
    gunzip.on("drain", () => this.#controller?.resume());
    gunzip.on("end", () => this.#succeed(false));
    gunzip.on("error", (error) => this.#fail(this.#connectionFailure(error)));
    return gunzip;
  }

  #keep(chunk: Buffer): void {
    if (this.#done) return;
    const room = this.#wanted.maxBody - this.#parts.size;
    if (!this.#memory.reserve(Math.min(chunk.length, room))) return this.#fail(this.#noRoom());
    this.#parts.add(chunk.length > room ? chunk.subarray(0, room) : chunk);
    if (chunk.length <= room) return;
    this.#succeed(true);
    this.#stop();
  }

  #succeed(cut: boolean): void {
    if (this.#done) return;
    this.#finish();
    const body = this.#parts.whole();
    this.#memory.release();
    this.#ends.resolve({
      status: this.#status,
      phrase: this.#phrase,
      headers: this.#headers,
      body,
      cut,
    });
  }

  #fail(error: BindingError): void {
    if (this.#done) return;
    this.#finish();
    this.#parts.clear();
    this.#memory.release();
    this.#ends.reject(error);
    this.#stop();
  }

  #finish(): void {
    this.#done = true;
    this.#signal.removeEventListener("abort", this.#abort);
  }

  #stop(): void {
    this.#gunzip?.destroy();
    this.#controller?.abort(new Error("cancelled"));
  }

  #effect(): Effect {
    return this.#controller === undefined ? "unsent" : "ambiguous";
  }

  #noRoom(): BindingError {
    const text = `${describe(this.#wanted)}: the memory budget has no room for the answer (--memory-budget)`;
    return new BindingError("resource_exhausted", text, { effect: "ambiguous" });
  }

  #connectionFailure(error: Error): BindingError {
    const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
    const text =
      this.#status > 0 && wasClosed(error)
        ? "unexpected EOF"
        : `${describe(this.#wanted)}: ${connectionText(error)}`;
    return new BindingError("unavailable", text, {
      effect: this.#effect(),
      systemCode: code,
      cause: error,
    });
  }
}

/** `Post "http://host/path"`, as Go begins its messages. */
export function describe({ method, address }: Pick<Exchange, "method" | "address">): string {
  const [first = "", ...rest] = method;
  return `${first}${rest.join("").toLowerCase()} "${describeAddress(address)}"`;
}

import type { IncomingHttpHeaders } from "node:http";
import { createGunzip } from "node:zlib";
import type { Gunzip } from "node:zlib";
import type { Dispatcher } from "undici";
import { BindingError, messageOf } from "../../errors.ts";
import type { Effect } from "../../errors.ts";
import { describeAddress } from "./address.ts";
import type { Address } from "./address.ts";

/** One request on the wire, and what came back. */
export type Exchange = {
  readonly address: Address;
  readonly method: string;
  readonly headers: string[];
  readonly body: Uint8Array | undefined;
  /** Whether gzip was asked for, and is to be taken off again. */
  readonly gunzip: boolean;
  /** The most bytes of the body to keep; Infinity: all. */
  readonly maxBody: number;
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
  dispatcher: Dispatcher,
  wanted: Exchange,
  signal: AbortSignal,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortFailure(wanted, signal.reason, "unsent"));
      return;
    }
    const handler = new Collector(wanted, signal, resolve, reject);
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

class Collector implements Dispatcher.DispatchHandler {
  readonly #wanted: Exchange;
  readonly #signal: AbortSignal;
  readonly #resolve: (answered: Answered) => void;
  readonly #reject: (error: BindingError) => void;
  readonly #abort = (): void =>
    this.#fail(abortFailure(this.#wanted, this.#signal.reason, this.#effect()));
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #gunzip: Gunzip | undefined;
  #zipped = false;
  #size = 0;
  #done = false;
  #status = 0;
  #phrase: string | undefined;
  #headers: IncomingHttpHeaders = {};

  constructor(
    wanted: Exchange,
    signal: AbortSignal,
    resolve: (answered: Answered) => void,
    reject: (error: BindingError) => void,
  ) {
    this.#wanted = wanted;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
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
    if (this.#gunzip === undefined || !this.#zipped) this.#succeed(false);
    else this.#gunzip.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(this.#connectionFailure(error));
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
    const room = this.#wanted.maxBody - this.#size;
    this.#chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    this.#size += Math.min(chunk.length, room);
    if (chunk.length <= room) return;
    this.#succeed(true);
    this.#stop();
  }

  #succeed(cut: boolean): void {
    if (this.#done) return;
    this.#finish();
    const [first] = this.#chunks;
    const body =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#resolve({
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
    this.#reject(error);
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

  #connectionFailure(error: Error): BindingError {
    const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
    return new BindingError("unavailable", `${describe(this.#wanted)}: ${messageOf(error)}`, {
      effect: this.#effect(),
      systemCode: code,
      cause: error,
    });
  }
}

function abortFailure(wanted: Exchange, reason: unknown, effect: Effect): BindingError {
  if (reason instanceof BindingError) {
    const { message, cause } = reason;
    return new BindingError(reason.reason, `${describe(wanted)}: ${message}`, { effect, cause });
  }
  const late = reason instanceof Error && reason.name === "TimeoutError";
  return new BindingError(
    late ? "deadline_exceeded" : "cancelled",
    `${describe(wanted)}: ${late ? "the deadline passed" : "cancelled by the caller"}`,
    { effect, cause: reason },
  );
}

/** `Post "http://host/path"`, as Go begins its messages. */
export function describe({ method, address }: Pick<Exchange, "method" | "address">): string {
  const [first = "", ...rest] = method;
  return `${first}${rest.join("").toLowerCase()} "${describeAddress(address)}"`;
}

import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { Call, type CallOptions, type Carrier, type Unanswered } from "./client-call.ts";
import { framePrefixBytes } from "./frame.ts";
import { Code } from "./status.ts";

/** The whole answer, or why there is none. */
export type Answer =
  | {
      readonly kind: "answered";
      readonly headers: IncomingHttpHeaders;
      readonly trailers: IncomingHttpHeaders;
      readonly body: Buffer;
    }
  | Unanswered;

const noBytes = Buffer.alloc(0);

/** A call whose request is there at once and whose answer is taken as a whole. */
export class ClientUnary extends Call {
  readonly #body: readonly Uint8Array[];
  readonly #limit: number;
  readonly #resolve: (answer: Answer) => void;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;
  #size = 0;

  /** The limit is of the answer's message, in bytes. */
  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    body: readonly Uint8Array[],
    limit: number,
    resolve: (answer: Answer) => void,
  ) {
    super(carrier, fields, options);
    this.#body = body;
    this.#limit = limit;
    this.#resolve = resolve;
  }

  get repeatable(): boolean {
    return true;
  }

  protected send(stream: ClientHttp2Stream): void {
    const body = this.#body;
    const last = body.length - 1;
    for (let index = 0; index < last; index += 1) stream.write(body[index]);
    stream.end(body[last]);
  }

  protected begun(): void {
    // A stream that the server did not take may have begun its answer.
    this.#first = undefined;
    this.#rest = undefined;
    this.#size = 0;
  }

  protected receive(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > this.#limit + framePrefixBytes) {
      this.abort(`the answer is larger than ${this.#limit} bytes`, Code.resourceExhausted);
    } else if (this.#first === undefined) this.#first = chunk;
    else (this.#rest ??= [this.#first]).push(chunk);
  }

  protected answered(): void {
    const headers = this.firstHeaders;
    const trailers = this.lastHeaders;
    const body =
      this.#rest === undefined ? (this.#first ?? noBytes) : Buffer.concat(this.#rest, this.#size);
    this.#resolve({ kind: "answered", headers, trailers, body });
  }

  protected unanswered(end: Unanswered): void {
    this.#resolve(end);
  }
}

import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { Call, type CallOptions, type Carrier, type Unanswered } from "./client-call.ts";
import { ByteParts } from "../memory/byte-parts.ts";
import { type AnswerLimits, AnswerRoom } from "./answer-room.ts";
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

/** A call whose request is there at once and whose answer is taken as a whole. */
export class ClientUnary extends Call {
  readonly #body: readonly Uint8Array[];
  readonly #limits: AnswerLimits;
  #room: AnswerRoom;
  readonly #resolve: (answer: Answer) => void;
  readonly #parts = new ByteParts();

  /** The limits are of the answer's body. */
  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    body: readonly Uint8Array[],
    limits: AnswerLimits,
    resolve: (answer: Answer) => void,
  ) {
    super(carrier, fields, options);
    this.#body = body;
    this.#limits = limits;
    this.#room = new AnswerRoom(limits);
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
    this.#letGo();
    this.#room = new AnswerRoom(this.#limits);
  }

  protected receive(chunk: Buffer): void {
    const refusal = this.#room.take(chunk.length);
    if (refusal !== undefined) this.abort(refusal, Code.resourceExhausted);
    else this.#parts.add(chunk);
  }

  protected answered(): void {
    const headers = this.firstHeaders;
    const trailers = this.lastHeaders;
    const body = this.#parts.whole();
    this.#letGo();
    this.#resolve({ kind: "answered", headers, trailers, body });
  }

  protected unanswered(end: Unanswered): void {
    this.#letGo();
    this.#resolve(end);
  }

  #letGo(): void {
    this.#room.release();
    this.#parts.clear();
  }
}

import { ByteParts, withoutRest } from "../memory/byte-parts.ts";
import type { Http2ClientConnection } from "../http2/client-connection.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { type AnswerLimits, AnswerRoom } from "./answer-room.ts";
import { Call, type CallOptions, type Carrier, type Unanswered } from "./client-call.ts";
import { Code } from "./status.ts";

const noBytes = Buffer.alloc(0);

/** A call whose request is there at once and whose answer is taken as a whole. */
export abstract class ClientUnary extends Call {
  readonly #body: Uint8Array | undefined;
  readonly #prefix: Uint8Array | undefined;
  readonly #limits: AnswerLimits;
  #room: AnswerRoom | undefined;
  /** The answer while it is one part. */
  #first: Buffer | undefined;
  #parts: ByteParts | undefined;

  /** The limits are of the answer's body. `prefix` goes before the body: what a large message is not copied for. */
  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    limits: AnswerLimits,
    body: Uint8Array | undefined,
    prefix?: Uint8Array,
  ) {
    super(carrier, fields, options);
    this.#body = body;
    this.#prefix = prefix;
    this.#limits = limits;
  }

  get repeatable(): boolean {
    return true;
  }

  protected get limits(): AnswerLimits {
    return this.#limits;
  }

  /** The answer's headers are {@link head}. */
  protected abstract taken(body: Buffer, trailers: HeaderBlock | undefined): void;

  protected send(connection: Http2ClientConnection, fields: readonly string[]): Http2Stream {
    const body = this.#body;
    if (body === undefined) return connection.open(fields, this, true);
    const prefix = this.#prefix;
    if (prefix === undefined) return connection.request(fields, body, this);
    const stream = connection.open(fields, this);
    stream.write(prefix);
    stream.end(body);
    return stream;
  }

  protected begun(): void {
    // A stream that the server did not take may have begun its answer.
    if (this.#room !== undefined) this.#letGo();
  }

  data(chunk: Buffer): void {
    this.#room ??= new AnswerRoom(this.#limits);
    const refusal = this.#room.take(chunk.length);
    if (refusal !== undefined) return this.abort(refusal, Code.resourceExhausted);
    if (this.#parts !== undefined) return this.#parts.add(chunk);
    if (this.#first === undefined) {
      // Most answers are one part.
      this.#first = withoutRest(chunk);
      return;
    }
    this.#parts = new ByteParts();
    this.#parts.add(this.#first);
    this.#parts.add(chunk);
    this.#first = undefined;
  }

  protected answered(): void {
    const body = this.#parts?.whole() ?? this.#first ?? noBytes;
    if (this.#room !== undefined) this.#letGo();
    this.taken(body, this.trailers);
  }

  protected unanswered(end: Unanswered): void {
    if (this.#room !== undefined) this.#letGo();
    this.untaken(end);
  }

  /** No whole answer came. */
  protected abstract untaken(end: Unanswered): void;

  #letGo(): void {
    this.#room?.release();
    this.#room = undefined;
    this.#parts?.clear();
    this.#parts = undefined;
    this.#first = undefined;
  }
}

/** The whole answer, or why there is none. */
export type Answer = Answered | Unanswered;

type Answered = {
  readonly kind: "answered";
  readonly head: HeaderBlock;
  readonly body: Buffer;
};

/** One of plain HTTP. */
export class PlainUnary extends ClientUnary {
  readonly #done: (answer: Answer) => void;

  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    limits: AnswerLimits,
    body: Uint8Array | undefined,
    done: (answer: Answer) => void,
  ) {
    super(carrier, fields, options, limits, body);
    this.#done = done;
  }

  protected taken(body: Buffer): void {
    const { head } = this;
    if (head !== undefined) this.#done({ kind: "answered", head, body });
  }

  protected untaken(end: Unanswered): void {
    this.#done(end);
  }
}

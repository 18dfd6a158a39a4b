import type { InvocationStart } from "../../gen/cufflink/v1/bindings_pb.ts";
import type { Reservation } from "../memory/budget.ts";
import type { Invocation, StreamInvocation } from "../runtime/outputs/invocation.ts";
import { PayloadQueue } from "./payload-queue.ts";

/** An invocation of a stream from its first chunk until its answer has ended. */
export abstract class OpenInvocation {
  /** What its caller calls it. */
  readonly id: number;
  readonly name: string;
  readonly operation: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What it holds, from its first chunk until nothing of it runs any more. */
  readonly memory: Reservation;
  /** All of the payload is here. */
  complete = false;
  /** Its answer has ended; what still comes of it is nobody's. */
  over = false;
  #abort: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor(
    id: number,
    { name, operation }: InvocationStart,
    metadata: Readonly<Record<string, string>>,
    memory: Reservation,
  ) {
    this.memory = memory;
    this.id = id;
    this.name = name;
    this.operation = operation;
    this.metadata = metadata;
  }

  /** Its own, made when it is first asked for: most bindings never look. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted !== undefined) this.#abort.abort(this.#aborted.reason);
    return this.#abort.signal;
  }

  /** Tells the binding that no caller waits for the answer. */
  abort(reason: Error): void {
    this.over = true;
    this.#aborted ??= { reason };
    this.#abort?.abort(reason);
  }
}

/** One whose operation takes its payload whole. */
export class WholeInvocation extends OpenInvocation implements Invocation {
  readonly encoding = "bytes";
  data: Uint8Array | undefined;
  /** Bytes gathered so far. */
  gathered = 0;
  #parts: Uint8Array[] | undefined;

  /** Keeps a copy, for a part may be a corner of a large message. */
  gather(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts ??= [];
    this.#parts.push(Buffer.from(part));
    this.gathered += part.length;
  }

  /** The payload is these last bytes and what was gathered before. */
  finish(last: Uint8Array): void {
    this.complete = true;
    if (this.#parts !== undefined) this.data = Buffer.concat([...this.#parts, last]);
    else if (last.length > 0) this.data = last;
    this.#parts = undefined;
  }
}

/** One whose operation takes its payload as it comes. */
export class StreamedInvocation extends OpenInvocation implements StreamInvocation {
  readonly body: PayloadQueue;

  constructor(
    id: number,
    start: InvocationStart,
    metadata: Readonly<Record<string, string>>,
    memory: Reservation,
    taken: (bytes: number) => void,
  ) {
    super(id, start, metadata, memory);
    this.body = new PayloadQueue((bytes) => {
      memory.add(-bytes);
      taken(bytes);
    });
  }

  override abort(reason: Error): void {
    super.abort(reason);
    this.body.fail(reason);
  }
}

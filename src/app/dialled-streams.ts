import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AppMessageSchema,
  type AppMessage,
  type Subscription,
} from "../../gen/cufflink/v1/event_streams_pb.ts";
import { messageOf } from "../errors.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { CreditPool } from "./credit-pool.ts";

/** What the threads that read inputs are told of the streams that the app has dialled, each by its number. */
export type StreamThreads = {
  readonly count: number;
  /** Whether it can be told now; once it can, {@link DialledStreams.joined} is called. */
  has(thread: number): boolean;
  /** A message of the app, as far as it concerns the thread. */
  send(thread: number, stream: number, message: Uint8Array): void;
  /** Credit that it does not use is wanted back: see {@link DialledStreams.returned}. */
  recall(thread: number, stream: number): void;
  /** See `EventStreams.leave`. */
  end(thread: number, stream: number, reason: string, properly: boolean): void;
};

type Batch = { readonly bytes: Uint8Array; readonly taken: () => void };

type Dialled = {
  readonly pool: CreditPool;
  /** The threads that know of it. */
  readonly told: Set<number>;
  subscription: Subscription | undefined;
  readonly batches: Batch[];
  wake: (() => void) | undefined;
  hasEnded: boolean;
};

/**
 * Streams of events that the app has dialled, for inputs that are read in several threads: each has an `EventStream` for each
 * of these, whose deliveries have numbers of the thread's own, so that the app has one. Credit is shared out as it is needed.
 */
export class DialledStreams {
  readonly #threads: StreamThreads;
  readonly #streams = new Map<number, Dialled>();
  #last = 0;

  constructor(threads: StreamThreads) {
    this.#threads = threads;
  }

  /** Serves a stream that the app has dialled. Throws a `GrpcFailure` when the app breaks its rules. */
  async *accept(messages: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const id = ++this.#last;
    const stream = this.#open(id);
    let failure: unknown;
    const read = async (): Promise<void> => {
      let reason = "the app ended its event stream";
      let properly = false;
      try {
        for await (const message of messages) this.#take(id, stream, message);
        properly = true;
      } catch (error) {
        failure = error;
        reason = `the app's event stream broke: ${messageOf(error)}`;
      }
      this.#end(id, reason, properly);
    };
    void read();
    try {
      while (!stream.hasEnded) {
        const batch = stream.batches.shift();
        if (batch === undefined) await new Promise<void>((resolve) => (stream.wake = resolve));
        else {
          batch.taken();
          yield batch.bytes;
        }
      }
    } finally {
      this.#end(id, "the app's event stream ended", false);
    }
    if (failure instanceof GrpcFailure) throw failure;
  }

  /** A thread's message to the app, with so many new events. Resolves once it is on its way, or never will be. */
  batch(thread: number, id: number, bytes: Uint8Array, events: number): Promise<void> {
    const stream = this.#streams.get(id);
    if (stream === undefined) return Promise.resolve();
    stream.pool.used(thread, events);
    return new Promise((taken) => {
      stream.batches.push({ bytes, taken });
      stream.wake?.();
    });
  }

  /** A thread has an event and no credit. */
  needed(thread: number, id: number): void {
    this.#streams.get(id)?.pool.needed(thread);
  }

  /** What a thread had not used when it was asked. */
  returned(thread: number, id: number, credit: number): void {
    this.#streams.get(id)?.pool.returned(thread, credit);
  }

  /** A thread can be told of the streams that there are. */
  joined(thread: number): void {
    for (const [id, stream] of this.#streams) this.#subscribe(thread, id, stream);
  }

  /** Ends all: the app dials again. */
  endAll(reason: string): void {
    for (const id of this.#streams.keys()) this.#end(id, reason, false);
  }

  #open(id: number): Dialled {
    const pool = new CreditPool(this.#threads.count, {
      grant: (thread, credit) => this.#send(thread, id, { credit }),
      recall: (thread) => this.#threads.recall(thread, id),
    });
    const stream: Dialled = {
      ...{ pool, told: new Set(), subscription: undefined },
      ...{ batches: [], wake: undefined, hasEnded: false },
    };
    this.#streams.set(id, stream);
    return stream;
  }

  #take(id: number, stream: Dialled, message: Uint8Array): void {
    const read = readMessage(message);
    const { count } = this.#threads;
    if (read.subscription !== undefined) {
      if (stream.subscription !== undefined) throw against("the app has subscribed already");
      stream.subscription = read.subscription;
      for (let thread = 0; thread < count; thread++) this.#subscribe(thread, id, stream);
    } else if (stream.subscription === undefined)
      throw against("the first message of the app must have a subscription");
    const handled = Object.groupBy(read.handled, (number) => number % count);
    const settlements = Object.groupBy(read.settlements, ({ delivery }) => delivery % count);
    for (let thread = 0; thread < count; thread++) {
      const own = { handled: handled[thread] ?? [], settlements: settlements[thread] ?? [] };
      if (!stream.told.has(thread)) continue;
      if (own.handled.length > 0 || own.settlements.length > 0) this.#send(thread, id, own);
    }
    stream.pool.add(read.credit);
  }

  #subscribe(thread: number, id: number, { told, subscription }: Dialled): void {
    if (subscription === undefined || told.has(thread) || !this.#threads.has(thread)) return;
    told.add(thread);
    this.#send(thread, id, { subscription });
  }

  #send(
    thread: number,
    id: number,
    message: Partial<Pick<AppMessage, "subscription" | "credit" | "handled" | "settlements">>,
  ): void {
    this.#threads.send(thread, id, toBinary(AppMessageSchema, create(AppMessageSchema, message)));
  }

  #end(id: number, reason: string, properly: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    stream.hasEnded = true;
    stream.wake?.();
    for (const { taken } of stream.batches.splice(0)) taken();
    for (const thread of stream.told) this.#threads.end(thread, id, reason, properly);
  }
}

function readMessage(message: Uint8Array): AppMessage {
  try {
    return fromBinary(AppMessageSchema, message);
  } catch {
    throw against("the app's message is no cufflink.v1.AppMessage");
  }
}

function against(text: string): GrpcFailure {
  return new GrpcFailure(Code.invalidArgument, text);
}

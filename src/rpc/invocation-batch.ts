import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  Invocation as InvocationMessage,
  InvocationResultSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import type { Answer } from "../binding.ts";
import { BindingError } from "../errors.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { invokeStatus } from "./errors.ts";
import { metadataProblem } from "./metadata-limit.ts";

type Result = MessageInitShape<typeof InvocationResultSchema>;

export type BatchOptions = {
  readonly runtime: Runtime;
  /** The largest response, in bytes. */
  readonly maxBodySize: number;
  /** The trace context that goes over an invocation's own metadata. */
  readonly trace: (metadata: Readonly<Record<string, string>>) => Record<string, string>;
  /** Of the whole call; made when it is first asked for. */
  readonly caller: { readonly signal: AbortSignal };
};

/** The most invocations of one batch. */
const mostInvocations = 10_000;
/** The most of them that run at one time. */
const mostRunning = 1000;

/** Runs all of them, each for itself, and resolves to what became of each, in their order. */
export function invokeBatch(
  invocations: readonly InvocationMessage[],
  options: BatchOptions,
): Promise<Result[]> {
  if (invocations.length > mostInvocations) {
    throw new GrpcFailure(
      Code.resourceExhausted,
      `a batch has at most ${mostInvocations} invocations, and this one has ${invocations.length}; send several, or use InvokeBindingStream`,
    );
  }
  const problem = invocations.map(({ metadata }) => metadataProblem(metadata)).find(Boolean);
  if (problem !== undefined) throw new GrpcFailure(Code.resourceExhausted, problem);
  return new Promise((resolve) => new Batch(invocations, options, resolve).start());
}

class Batch {
  readonly #invocations: readonly InvocationMessage[];
  readonly #options: BatchOptions;
  readonly #done: (results: Result[]) => void;
  readonly #results: Result[];
  readonly #room: ResponseRoom;
  readonly #signal: AbortSignal;
  #next = 0;
  #left: number;

  constructor(
    invocations: readonly InvocationMessage[],
    options: BatchOptions,
    done: (results: Result[]) => void,
  ) {
    this.#invocations = invocations;
    this.#options = options;
    this.#done = done;
    this.#left = invocations.length;
    this.#signal = options.caller.signal;
    this.#results = Array.from({ length: invocations.length }, () => ({}));
    this.#room = new ResponseRoom(options.maxBodySize, invocations.length);
  }

  start(): void {
    if (this.#left === 0) return this.#done(this.#results);
    for (let running = 0; running < mostRunning; running++) this.#startNext();
  }

  #startNext(): void {
    const index = this.#next;
    const message = this.#invocations[index];
    // Once nobody waits for the results, what has not begun is left undone.
    if (message === undefined || this.#signal.aborted) return;
    this.#next++;
    const invocation = new BatchedInvocation(message, this.#options);
    this.#options.runtime.invoke(invocation).then(
      (answer) => this.#end(index, this.#room.answer(answer)),
      (thrown: unknown) =>
        this.#end(index, this.#room.failure(message.name, BindingError.from(thrown))),
    );
  }

  #end(index: number, result: Result): void {
    this.#results[index] = result;
    this.#startNext();
    if (--this.#left === 0) this.#done(this.#results);
  }
}

class BatchedInvocation implements Invocation {
  readonly name: string;
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly encoding = "bytes";
  readonly metadata: Readonly<Record<string, string>>;
  readonly #caller: { readonly signal: AbortSignal };

  constructor(message: InvocationMessage, { trace, caller }: BatchOptions) {
    this.name = message.name;
    this.operation = message.operation;
    this.data = message.data;
    this.metadata = Object.assign(message.metadata, trace(message.metadata));
    this.#caller = caller;
  }

  get signal(): AbortSignal {
    return this.#caller.signal;
  }
}

/** What a result takes beside its texts and bytes: tags and lengths. */
const resultOverhead = 32;
const entryOverhead = 12;
/** Kept for a failure that says why an answer is not there. */
const failureReserve = 320;

/** Keeps a response within its limit: what does not fit any more is told instead of sent. */
class ResponseRoom {
  readonly #limit: number;
  /** Bytes that answers may take. */
  #answers: number;
  /** Bytes that answers and failures together may take. */
  #all: number;

  constructor(limit: number, results: number) {
    this.#limit = limit;
    this.#all = limit - results * resultOverhead;
    this.#answers = this.#all - Math.min(limit / 2, results * failureReserve);
  }

  answer(answer: Answer | undefined): Result {
    const size = answer === undefined ? 0 : answerSize(answer);
    if (size > this.#answers) return this.#tooLarge(size);
    this.#answers -= size;
    this.#all -= size;
    const value: { data?: Uint8Array; metadata?: Record<string, string> } = {};
    if (answer?.data !== undefined) value.data = answer.data;
    if (answer?.metadata !== undefined) value.metadata = answer.metadata;
    return { result: { case: "answer", value } };
  }

  failure(name: string, error: BindingError): Result {
    const status = invokeStatus(name, error);
    const details = status.details.reduce(
      (sum, { typeUrl, value }) => sum + typeUrl.length + value.length + entryOverhead,
      0,
    );
    const message = Buffer.byteLength(status.message);
    if (this.#take(message + details)) return failed(status);
    if (this.#take(message)) return failed({ code: status.code, message: status.message });
    return failed({ code: status.code });
  }

  #tooLarge(size: number): Result {
    const message =
      `the answer of ${size} bytes has no room in this response, which has at most ${this.#limit}; ` +
      "what was done is done: use InvokeBindingStream, whose answers come in chunks, or smaller batches";
    return failed({
      code: Code.resourceExhausted,
      ...(this.#take(message.length) ? { message } : {}),
    });
  }

  #take(size: number): boolean {
    if (size > this.#all) return false;
    this.#all -= size;
    return true;
  }
}

function failed(value: Extract<Result["result"], { case: "error" }>["value"]): Result {
  return { result: { case: "error", value } };
}

function answerSize({ data, metadata }: Answer): number {
  let size = data?.length ?? 0;
  for (const name in metadata) {
    size += Buffer.byteLength(name) + Buffer.byteLength(metadata[name] ?? "") + entryOverhead;
  }
  return size;
}

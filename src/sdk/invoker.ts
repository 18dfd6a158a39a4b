import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  InvokeBindingRequestSchema,
  InvokeBindingResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { BindingError, messageOf, type Effect } from "../errors.ts";
import { CallFailure, type GrpcClient, type GrpcStream } from "../grpc/client.ts";
import { Code } from "../grpc/status.ts";
import { bindingErrorOf, detailsOf, lacksStreams } from "./failure.ts";
import { Invocation, type InvokeAnswer, type InvokeOptions } from "./invocation.ts";
import { chunkBytes, InvocationStream } from "./invocation-stream.ts";

const streamPath = "/cufflink.v1.Bindings/InvokeBindingStream";
const unaryPath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
/** Before sending again what was not sent, and as long as a stream lies idle before it is ended, in milliseconds. */
const pauseBeforeAgain = 50;
const idleFor = 5000;

/**
 * Invokes output bindings of a runtime. Small invocations share one stream, on which those of one turn of the
 * event loop are one message; a large payload has a stream of its own, and so does what can be cancelled, for
 * on a shared stream nothing can be cancelled. A runtime without such streams gets unary calls.
 *
 * What was not sent when the connection was lost waits for the next one. What may have been sent fails: only
 * the runtime's policy and the app repeat an operation.
 */
export class Invoker {
  readonly #client: GrpcClient;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #waiting = new Set<Invocation>();
  readonly #unsubscribe: () => void;
  #shared: InvocationStream | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** The connection whose runtime has no invocation streams. */
  #withoutStreams = 0;
  #closed = false;

  constructor(client: GrpcClient, headers: Readonly<Record<string, string>>) {
    this.#client = client;
    this.#headers = headers;
    this.#unsubscribe = client.connection.onChange(() => this.#connectionChanged());
  }

  /** Rejects with a `BindingError`. */
  invoke(name: string, operation: string, options: InvokeOptions): Promise<InvokeAnswer> {
    try {
      const invocation = new Invocation(name, operation, options);
      if (!invocation.over) this.#send(invocation);
      return invocation.answer;
    } catch (thrown) {
      return Promise.reject(BindingError.from(thrown, "invalid_argument", "unsent"));
    }
  }

  /** Fails what is under way. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    clearTimeout(this.#idle);
    for (const invocation of this.#waiting) invocation.fail(closedError());
    this.#shared?.finish();
    this.#shared = undefined;
  }

  #send(invocation: Invocation): void {
    if (this.#closed) return invocation.fail(closedError());
    const { connection } = this.#client;
    if (!connection.ready) return this.#wait(invocation, connection.reason);
    if (connection.generation === this.#withoutStreams) return void this.#call(invocation);
    const size = invocation.data?.length ?? 0;
    if (size > chunkBytes || invocation.signal !== undefined) {
      const own = new InvocationStream();
      own.add(invocation);
      own.finish();
      return void this.#carry(own, (call) => {
        invocation.onOver = () => own.busy && call.cancel("no caller waits for the answer");
      });
    }
    if (this.#shared === undefined) {
      const shared = new InvocationStream();
      shared.onIdle = () => this.#endWhenIdle(shared);
      this.#shared = shared;
      void this.#carry(shared);
    }
    this.#shared.add(invocation);
  }

  #wait(invocation: Invocation, reason: string): void {
    invocation.waitsFor = reason;
    this.#waiting.add(invocation);
    invocation.onOver = () => this.#waiting.delete(invocation);
  }

  #connectionChanged(): void {
    const { ready, reason } = this.#client.connection;
    // The old connection answers what it has; what comes from now on needs another one.
    this.#shared?.finish();
    this.#shared = undefined;
    for (const invocation of this.#waiting) {
      if (!ready) {
        invocation.waitsFor = reason;
        continue;
      }
      this.#waiting.delete(invocation);
      invocation.onOver = undefined;
      this.#send(invocation);
    }
  }

  async #carry(stream: InvocationStream, opened?: (call: GrpcStream) => void): Promise<void> {
    const { generation } = this.#client.connection;
    const call = this.#client.stream(streamPath, stream.messages(), { headers: this.#headers });
    opened?.(call);
    let failure: CallFailure | undefined;
    try {
      for await (const message of call.messages) stream.receive(message);
    } catch (thrown) {
      failure =
        thrown instanceof CallFailure
          ? thrown
          : new CallFailure("broken", Code.internal, messageOf(thrown), { cause: thrown });
    }
    if (this.#shared === stream) this.#shared = undefined;
    const lacking = failure !== undefined && lacksStreams(failure);
    if (lacking) this.#withoutStreams = generation;
    const left = stream.end(lacking || failure?.kind === "unsent", streamError(failure));
    if (left.length === 0) return;
    if (lacking) {
      for (const invocation of left) this.#send(invocation);
    } else if (failure?.kind === "failed") {
      for (const invocation of left) invocation.fail(streamError(failure, "unsent"));
    } else {
      this.#sendLater(left, failure?.message ?? "the runtime ended the stream");
    }
  }

  /** What nobody has seen is sent again, after a short pause: on the connection that there is then. */
  #sendLater(invocations: readonly Invocation[], reason: string): void {
    for (const invocation of invocations) this.#wait(invocation, reason);
    setTimeout(() => {
      for (const invocation of invocations) {
        if (this.#waiting.delete(invocation)) this.#send(invocation);
      }
    }, pauseBeforeAgain);
  }

  async #call(invocation: Invocation): Promise<void> {
    const { name, operation, data, metadata, signal, remaining: timeout } = invocation;
    invocation.onOver = undefined;
    invocation.sent = true;
    const message = toBinary(
      InvokeBindingRequestSchema,
      create(InvokeBindingRequestSchema, {
        ...{ name, operation, metadata },
        ...(data !== undefined && { data }),
      }),
    );
    const options = { headers: this.#headers, signal, timeout };
    const result = await this.#client.unary(unaryPath, message, options);
    if (invocation.over) return;
    switch (result.kind) {
      case "ok":
        return succeed(invocation, result.message);
      case "failed":
        return invocation.fail(callError(result.failure));
      case "unsent":
        invocation.sent = false;
        return this.#sendLater([invocation], result.reason);
      case "broken":
        return invocation.fail(lostError(result));
    }
  }

  #endWhenIdle(stream: InvocationStream): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (stream.busy || this.#shared !== stream) return;
      this.#shared = undefined;
      stream.finish();
    }, idleFor).unref();
  }
}

function succeed(invocation: Invocation, message: Uint8Array): void {
  try {
    const { data, metadata } = fromBinary(InvokeBindingResponseSchema, message);
    invocation.succeed({ data, metadata });
  } catch (thrown) {
    invocation.fail(BindingError.from(thrown, "internal", "ambiguous"));
  }
}

/** Why those fail that were on a stream when it ended. `undefined`: the runtime ended it without a word. */
function streamError(failure: CallFailure | undefined, effect?: Effect): BindingError {
  if (failure === undefined) return lostError({ code: Code.unavailable, reason: endedEarly });
  if (failure.kind !== "failed") return lostError({ code: failure.code, reason: failure.message });
  const told = callError(failure);
  const refused = told.reason === "unauthenticated" || told.reason === "permission_denied";
  return new BindingError(told.reason, told.message, {
    effect: effect ?? (refused ? "rejected" : "ambiguous"),
    retryAfter: told.retryAfter,
    cause: failure,
  });
}

/** What the runtime answered. */
function callError({ code, message, details }: CallFailure): BindingError {
  const hint = code === Code.unauthenticated ? tokenHint : "";
  return bindingErrorOf({ code, message: message + hint, details: detailsOf(details) });
}

/** No answer came. */
function lostError({
  code,
  reason,
}: {
  readonly code: number;
  readonly reason: string;
}): BindingError {
  const late = code === Code.deadlineExceeded;
  const text = `the answer did not come: ${reason}`;
  return new BindingError(late ? "deadline_exceeded" : "unavailable", text, {
    effect: "ambiguous",
  });
}

function closedError(): BindingError {
  return new BindingError("unavailable", "the app was closed", { effect: "unsent" });
}

const endedEarly = "the runtime ended the stream";
const tokenHint =
  "; put the runtime's DAPR_API_TOKEN into the environment, or give it to createApp as `token`";

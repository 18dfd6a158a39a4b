import { createHash, timingSafeEqual } from "node:crypto";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  HealthCheckResponseSchema,
  ListInputBindingsResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { BindingError, messageOf } from "../errors.ts";
import { Http2Listener } from "../grpc/http2-listener.ts";
import type { CallContext, GrpcMethod } from "../grpc/method.ts";
import { refuseCall } from "../grpc/refusal.ts";
import type { RequestHead } from "../grpc/request-head.ts";
import { GrpcServer } from "../grpc/server.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { BindingEventHandler } from "../handler/event.ts";
import { MemoryBudget } from "../memory/budget.ts";
import type { EventStream } from "./event-stream.ts";
import { handleCall } from "./unary-event.ts";
import type { WorkerPool } from "./worker-pool.ts";

export type CallbackServerOptions = {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** What the runtime sends with events as `dapr-api-token`. Empty: not asked for. */
  readonly token: string;
  /** The most bytes that calls hold together. */
  readonly memory: number;
  /** The inputs whose events are wanted. */
  readonly bindings: () => string[];
  readonly handlerOf: (binding: string) => BindingEventHandler | undefined;
  /** Makes a stream for what the app wants now; `undefined` while that is nothing. */
  readonly createStream: () => EventStream | undefined;
  readonly pool: WorkerPool;
};

/** So large may a message of the runtime be, in bytes: a batch that is one event is as large as the event. */
const maxMessageSize = 256 * 1024 * 1024;
const dapr = "/dapr.proto.runtime.v1.AppCallback";
const eventPath = `${dapr}/OnBindingEvent`;
const streamPath = "/cufflink.v1.AppCallback/OnBindingEvents";

/** A port for the runtime to dial: event streams, and Dapr's unary calls for a runtime that has none. */
export class CallbackServer {
  readonly #options: CallbackServerOptions;
  readonly #listener: Http2Listener;
  readonly #streams = new Set<EventStream>();
  readonly #abort = new AbortController();
  #draining = false;
  #calls = 0;

  private constructor(options: CallbackServerOptions) {
    this.#options = options;
    const methods = new Map<string, GrpcMethod>([
      [streamPath, { kind: "stream", handle: (...call) => this.#stream(...call) }],
      [eventPath, { kind: "unary", handle: (...call) => this.#event(...call) }],
      [`${dapr}/ListInputBindings`, { kind: "unary", handle: () => this.#list() }],
      [`${dapr}HealthCheck/HealthCheck`, { kind: "unary", handle: () => this.#health() }],
    ]);
    const memory = new MemoryBudget(options.memory).share("app", options.memory);
    const grpc = new GrpcServer(methods, {
      maxMessageSize,
      admit: (head) => this.#admit(head),
    });
    this.#listener = new Http2Listener({
      memory,
      onStream: (stream, head) =>
        grpc.handle({ stream, head, memory }) ??
        refuseCall(stream, Code.unimplemented, "unknown method"),
    });
  }

  /** Resolves once it listens. Rejects with a `BindingError` when the port cannot be had. */
  static async listen(options: CallbackServerOptions): Promise<CallbackServer> {
    const made = new CallbackServer(options);
    const { host, port } = options;
    const { server } = made.#listener;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => {
        const text = `the app cannot listen on ${host}:${port}: ${messageOf(error)}`;
        const advice = "choose another port by `port` or APP_PORT, and by the runtime's --app-port";
        reject(new BindingError("failed_precondition", `${text}; ${advice}`, { cause: error }));
      });
      server.listen(port, host, () => resolve());
    });
    return made;
  }

  get port(): number {
    return (this.#listener.server.address() as AddressInfo).port;
  }

  /** Whether a runtime has an event stream open. */
  get connected(): boolean {
    return this.#streams.size > 0;
  }

  /**
   * The app wants other events than before. Streams and calls finish what they have, and the runtime comes with
   * another connection: what it has found out about the app, it holds of one connection.
   */
  renew(): void {
    for (const stream of this.#streams) stream.drain();
    this.#listener.endConnections();
  }

  /** Takes no more events and resolves when those that run are handled and settled. */
  async drain(): Promise<void> {
    this.#draining = true;
    const stopped = this.#listener.stop();
    for (const stream of this.#streams) stream.drain();
    this.#listener.endConnections();
    await stopped;
  }

  /** Cuts what is left. */
  close(): void {
    this.#draining = true;
    void this.#listener.stop();
    this.#listener.destroyConnections();
    if (this.#calls > 0) this.#abort.abort(new Error("the app was closed"));
  }

  async *#stream(
    requests: AsyncIterable<Uint8Array>,
    { head }: CallContext,
  ): AsyncGenerator<Uint8Array> {
    const stream = this.#draining ? undefined : this.#options.createStream();
    if (stream === undefined) {
      const why = this.#draining ? "the app is closing" : "the app has no handler for any binding";
      throw new GrpcFailure(Code.unavailable, why);
    }
    stream.meet(head.record);
    this.#streams.add(stream);
    let failure: unknown;
    const read = async (): Promise<void> => {
      try {
        for await (const message of requests) stream.receive(message);
        // The runtime sends no more; what it has sent is still settled.
        stream.drain();
      } catch (error) {
        failure = error;
        stream.end(messageOf(error));
      }
    };
    void read();
    try {
      yield* stream.messages();
    } finally {
      stream.end("the event stream ended");
      this.#streams.delete(stream);
    }
    if (failure !== undefined) throw new GrpcFailure(Code.invalidArgument, messageOf(failure));
  }

  async #event(message: Uint8Array, context: CallContext): Promise<Uint8Array> {
    if (this.#draining) throw new GrpcFailure(Code.unavailable, "the app is closing");
    const { pool, handlerOf } = this.#options;
    this.#calls++;
    try {
      return await handleCall(message, context.head, {
        pool,
        handlerOf,
        // One for all: a signal of each call's own would cost more than the rest of it.
        signal: this.#abort.signal,
      });
    } finally {
      this.#calls--;
    }
  }

  async #list(): Promise<Uint8Array> {
    const bindings = this.#options.bindings();
    return toBinary(
      ListInputBindingsResponseSchema,
      create(ListInputBindingsResponseSchema, { bindings }),
    );
  }

  async #health(): Promise<Uint8Array> {
    if (this.#draining) throw new GrpcFailure(Code.unavailable, "the app is closing");
    return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema));
  }

  /** Before anything of a call is kept. Dapr sends its token with events, but not with its questions. */
  #admit(head: RequestHead): void {
    const { token } = this.#options;
    if (token === "") return;
    const path = head.get(":path");
    if (path !== streamPath && path !== eventPath) return;
    if (isSame(token, head.get("dapr-api-token") ?? "")) return;
    throw new GrpcFailure(
      Code.unauthenticated,
      "the call has not the app's token; start the runtime with the same APP_API_TOKEN",
    );
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash("sha256").update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}

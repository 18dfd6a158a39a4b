import { fromBinary } from "@bufbuild/protobuf";
import {
  type BindingEventResponse,
  BindingEventResponse_BindingEventConcurrency as Concurrency,
  BindingEventResponseSchema,
  ListInputBindingsResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import type { AnswerLimits } from "../grpc/answer-room.ts";
import type { Logger } from "../binding.ts";
import { GrpcClient, type UnaryResult } from "../grpc/client.ts";
import { Code } from "../grpc/status.ts";
import type { App, Delivery, Outcome, Reply } from "../runtime/app.ts";
import type { AnswerSpan } from "../runtime/tracer.ts";
import { Availability } from "./availability.ts";
import { encodeBindingEventFrame } from "./binding-event.ts";
import { binaryTrace, deliveryHeaders } from "./event-metadata.ts";
import type { EventStreams } from "./event-streams.ts";
import type { AppHealthOptions } from "./health.ts";
import { OutcomeHeaders } from "./outcome-header.ts";
import { StreamDialler } from "./stream-dialler.ts";
import { whyUnlisted } from "./unlisted.ts";

export type GrpcAppOptions = {
  readonly host: string;
  readonly port: number;
  /** `grpcs`: TLS, with whatever certificate the app shows: it is the app's own process, as with daprd. */
  readonly protocol: "grpc" | "grpcs";
  /** Sent as `dapr-api-token` with each call. */
  readonly token?: string | undefined;
  /** Milliseconds for one try of `ListInputBindings`. */
  readonly optionsTimeout: number;
  readonly answers: AnswerLimits;
  /** Absent: health is not asked for. */
  readonly health?: AppHealthOptions | undefined;
  /** Where the app's event stream goes, if it serves one. */
  readonly streams: EventStreams;
  readonly logger: Logger;
};

/**
 * An app that serves Dapr's `AppCallback` over gRPC, one unary call an event; unavailable as such while
 * its events go through a stream.
 */
export function createGrpcApp(options: GrpcAppOptions): App {
  return new GrpcApp(options);
}

const service = "/dapr.proto.runtime.v1.AppCallback";
/** The inputs that start together share one answer; one that asks later gets a new one. */
const sharedFor = 1000;
const empty = new Uint8Array(0);
const onBindingEvent = `${service}/OnBindingEvent`;
const handledPlainly: Outcome = { kind: "handled", reply: undefined };

type Listing = {
  readonly generation: number;
  readonly at: number;
  readonly names: Promise<Set<string>>;
};

class GrpcApp implements App {
  readonly #client: GrpcClient;
  readonly #availability: Availability;
  readonly #dialler: StreamDialler;
  readonly #listeners = new Set<() => void>();
  readonly #options: GrpcAppOptions;
  readonly #said: OutcomeHeaders;
  /** What each call to the app carries: an app may check it for every method. */
  readonly #token: Readonly<Record<string, string>>;
  #listing: Listing | undefined;
  /** Whether the app implements the question. */
  #lists = true;
  /** What the app said last that it wants. */
  #listed: ReadonlySet<string> = new Set();

  constructor(options: GrpcAppOptions) {
    this.#options = options;
    this.#said = new OutcomeHeaders(options.logger);
    this.#token = options.token ? { "dapr-api-token": options.token } : {};
    const { host, port, protocol, health, answers, logger } = options;
    this.#client = new GrpcClient({
      host,
      port,
      answers,
      tls: protocol === "grpcs" ? { verify: false } : undefined,
    });
    this.#availability = new Availability({
      ...{ link: this.#client.connection, host, port, protocol, health, logger },
      probe: async (timeout) => {
        const path = `${service}HealthCheck/HealthCheck`;
        const result = await this.#client.unary(path, empty, { headers: this.#token, timeout });
        if (result.kind !== "ok") throw new Error(reasonOf(result));
      },
    });
    const changed = (): void => {
      for (const listener of this.#listeners) listener();
    };
    this.#dialler = new StreamDialler({
      client: this.#client,
      streams: options.streams,
      headers: this.#token,
      answers,
      timeout: options.optionsTimeout,
      isHealthy: () => this.#availability.available,
      onChange: changed,
    });
    this.#availability.onChange(() => {
      options.streams.changed();
      changed();
    });
  }

  get available(): boolean {
    return this.#dialler.unary && this.#availability.available;
  }

  get unavailableSince(): Date | undefined {
    return this.#availability.available ? undefined : this.#availability.since;
  }

  get unavailableReason(): string {
    if (!this.#availability.available) return this.#availability.reason;
    return this.#dialler.unary
      ? ""
      : "the app takes events by a stream, which has not subscribed to this input";
  }

  onAvailability(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async wants({ name }: { name: string }, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const names = await untilAborted(this.#names(), signal);
    this.#listed = names;
    return names.has(name);
  }

  whyUnwanted({ name }: { name: string }): string {
    if (!this.#lists) return "it does not implement AppCallback/ListInputBindings";
    return whyUnlisted(name, this.#listed);
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const headers = deliveryHeaders(delivery);
    const trace = headers["traceparent"];
    const binary = trace === undefined ? undefined : binaryTrace(trace);
    if (binary !== undefined) headers["grpc-trace-bin"] = binary;
    Object.assign(headers, this.#token);
    const frame = encodeBindingEventFrame(delivery);
    const { name, span } = delivery;
    if (span !== undefined) {
      const { host: address, port } = this.#options;
      span.way({ kind: "rpc", method: onBindingEvent.slice(1), address, port });
    }
    return new Promise((resolve) => {
      this.#client.unaryFramed(onBindingEvent, frame, { headers, signal }, (result) =>
        resolve(
          result instanceof Promise
            ? result.then((unpacked) => this.#outcomeOf(name, unpacked, span))
            : this.#outcomeOf(name, result, span),
        ),
      );
    });
  }

  async close(): Promise<void> {
    this.#dialler.close();
    this.#listeners.clear();
    this.#availability.close();
    await this.#client.close();
  }

  #outcomeOf(component: string, result: UnaryResult, span: AnswerSpan | undefined): Outcome {
    if (span !== undefined) tellStatus(span, result);
    switch (result.kind) {
      case "ok":
        return outcomeOfMessage(result.message);
      case "unsent":
        return result;
      case "broken":
        return { kind: "refused", reason: result.reason };
      case "failed": {
        const { code, message, failure } = result;
        if (isOfAnotherProtocol(result)) this.#availability.suspect();
        const refused = {
          kind: "refused",
          reason: reasonOf(result),
          codes: { grpc: code },
        } as const;
        const headerOf = (name: string) => failure.trailers[name] ?? failure.headers[name];
        return this.#said.of(component, headerOf, refused, message);
      }
    }
  }

  #names(): Promise<Set<string>> {
    const { generation, ready, reason } = this.#client.connection;
    if (!ready) return Promise.reject(new Error(reason));
    const known = this.#listing;
    const now = performance.now();
    if (known?.generation === generation && now - known.at < sharedFor) return known.names;
    const listing = { generation, at: now, names: this.#list() };
    this.#listing = listing;
    listing.names.catch(() => {
      if (this.#listing === listing) this.#listing = undefined;
    });
    return listing.names;
  }

  async #list(): Promise<Set<string>> {
    const timeout = this.#options.optionsTimeout;
    const options = { headers: this.#token, timeout };
    const result = await this.#client.unary(`${service}/ListInputBindings`, empty, options);
    if (isOfAnotherProtocol(result)) this.#availability.suspect();
    else if (result.kind === "failed" && result.code === Code.unimplemented) {
      this.#lists = false;
      return new Set();
    }
    if (result.kind !== "ok") throw new Error(`ListInputBindings: ${reasonOf(result)}`);
    this.#lists = true;
    const { bindings } = fromBinary(ListInputBindingsResponseSchema, result.message);
    this.#options.streams.subscriptions.subscribed(this, bindings);
    return new Set(bindings);
  }
}

function tellStatus(span: AnswerSpan, result: UnaryResult): void {
  if (result.kind === "ok") span.status("OK");
  else if (result.kind === "failed") span.status(result.status);
}

/** An answer of HTTP/2 without a gRPC status. */
function isOfAnotherProtocol(result: UnaryResult): boolean {
  if (result.kind !== "failed") return false;
  const { headers, trailers } = result.failure;
  return (headers["grpc-status"] ?? trailers["grpc-status"]) === undefined;
}

function outcomeOfMessage(message: Uint8Array): Outcome {
  if (message.length === 0) return handledPlainly;
  try {
    return { kind: "handled", reply: toReply(fromBinary(BindingEventResponseSchema, message)) };
  } catch {
    return { kind: "refused", reason: "the app's answer is not a BindingEventResponse" };
  }
}

function toReply(response: BindingEventResponse): Reply {
  return {
    source: "grpc",
    data: response.data,
    to: response.to,
    concurrency: response.concurrency === Concurrency.PARALLEL ? "parallel" : "sequential",
    storeName: response.storeName,
    states: response.states.map(({ key, value }) => ({ key, value })),
  };
}

function reasonOf(result: Exclude<UnaryResult, { kind: "ok" }>): string {
  if (result.kind !== "failed") return result.reason;
  return `the app answered ${result.status}${result.message === "" ? "" : `: ${result.message}`}`;
}

/** The promise's result, or a rejection as soon as the signal is aborted; the promise goes on. */
function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

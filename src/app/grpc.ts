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
import { Availability } from "./availability.ts";
import { encodeBindingEventFrame } from "./binding-event.ts";
import { binaryTrace, deliveryHeaders } from "./event-metadata.ts";
import type { EventStreams } from "./event-streams.ts";
import type { AppHealthOptions } from "./health.ts";
import { OutcomeHeaders } from "./outcome-header.ts";
import { StreamDialler } from "./stream-dialler.ts";

export type GrpcAppOptions = {
  readonly host: string;
  readonly port: number;
  /** TLS, with whatever certificate the app shows: it is the app's own process, as with daprd. */
  readonly secure: boolean;
  /** Sent as `dapr-api-token` with each event. */
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
  #listing: Listing | undefined;

  constructor(options: GrpcAppOptions) {
    this.#options = options;
    this.#said = new OutcomeHeaders(options.logger);
    const { host, port, answers } = options;
    this.#client = new GrpcClient({
      host,
      port,
      answers,
      tls: options.secure ? { verify: false } : undefined,
    });
    this.#availability = new Availability(
      this.#client.connection,
      options.health,
      async (timeout) => {
        const path = `${service}HealthCheck/HealthCheck`;
        const result = await this.#client.unary(path, empty, { timeout });
        if (result.kind !== "ok") throw new Error(reasonOf(result));
      },
    );
    const changed = (): void => {
      for (const listener of this.#listeners) listener();
    };
    this.#dialler = new StreamDialler({
      client: this.#client,
      streams: options.streams,
      headers: options.token ? { "dapr-api-token": options.token } : {},
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

  get unavailableReason(): string {
    if (!this.#availability.available) return this.#availability.reason;
    return this.#dialler.unary ? "" : "the app's event stream does not take its events";
  }

  onAvailability(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async wants({ name }: { name: string }, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const names = await untilAborted(this.#names(), signal);
    return names.has(name);
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const headers = deliveryHeaders(delivery);
    const trace = headers["traceparent"];
    const binary = trace === undefined ? undefined : binaryTrace(trace);
    if (binary !== undefined) headers["grpc-trace-bin"] = binary;
    if (this.#options.token) headers["dapr-api-token"] = this.#options.token;
    const frame = encodeBindingEventFrame(delivery);
    return new Promise((resolve) => {
      this.#client.unaryFramed(onBindingEvent, frame, { headers, signal }, (result) =>
        resolve(
          result instanceof Promise
            ? result.then((unpacked) => this.#outcomeOf(delivery.name, unpacked))
            : this.#outcomeOf(delivery.name, result),
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

  #outcomeOf(component: string, result: UnaryResult): Outcome {
    switch (result.kind) {
      case "ok":
        return outcomeOfMessage(result.message);
      case "unsent":
        return result;
      case "broken":
        return { kind: "refused", reason: result.reason };
      case "failed": {
        const { code, message, failure } = result;
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
    const result = await this.#client.unary(`${service}/ListInputBindings`, empty, { timeout });
    if (result.kind === "failed" && result.code === Code.unimplemented) return new Set();
    if (result.kind !== "ok") throw new Error(`ListInputBindings: ${reasonOf(result)}`);
    return new Set(fromBinary(ListInputBindingsResponseSchema, result.message).bindings);
  }
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

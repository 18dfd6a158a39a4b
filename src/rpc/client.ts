import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type CallOptions } from "@connectrpc/connect";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import {
  ComponentStateSchema,
  Operations,
  type Component,
  type EmitEventRequestSchema,
} from "../../gen/cufflink/v1/operations_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { BindingError, type Reason } from "../errors.ts";
import { createGrpcTransport, type GrpcTransport } from "../grpc/transport.ts";
import { grpcCodes } from "./errors.ts";

export type RuntimeClientOptions = {
  /** `http://127.0.0.1:50001`. */
  readonly url: string;
  /** `DAPR_API_TOKEN`, when the runtime wants one. */
  readonly token: string | undefined;
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
};

/** A component of a running runtime, as its operator sees it. */
export type ListedComponent = {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
  /** ISO 8601; empty where it is not told. */
  readonly since: string;
  readonly directions: readonly string[];
  readonly operations: readonly string[];
  readonly inFlight: number;
  readonly waiting: number;
  readonly handled: number;
  readonly attempts: number;
  /** Where it was declared. */
  readonly source: string;
  readonly required: boolean;
};

export type EmittedOutcome =
  | {
      readonly kind: "handled";
      readonly data: Uint8Array | undefined;
      readonly to: readonly string[];
    }
  | { readonly kind: "not handled"; readonly reason: string };

/** A client of a running runtime. Every call rejects with a `BindingError`. */
export class RuntimeClient implements Disposable {
  readonly #transport: GrpcTransport;
  readonly #dapr;
  readonly #operations;
  readonly #url: string;
  readonly #call: CallOptions;

  constructor({ url, token, timeout }: RuntimeClientOptions) {
    this.#url = url;
    this.#call = {
      timeoutMs: timeout,
      ...(token !== undefined && { headers: { "dapr-api-token": token } }),
    };
    this.#transport = createGrpcTransport({ baseUrl: url });
    this.#dapr = createClient(Dapr, this.#transport);
    this.#operations = createClient(Operations, this.#transport);
  }

  /** Runs an operation of an output. */
  async invoke(request: {
    name: string;
    operation: string;
    data?: Uint8Array | undefined;
    metadata: Record<string, string>;
  }): Promise<{ data: Uint8Array; metadata: Record<string, string> }> {
    const { data, ...rest } = request;
    const message = data === undefined ? rest : { ...rest, data };
    const answer = await this.#failing(() => this.#dapr.invokeBinding(message, this.#call));
    return { data: answer.data, metadata: answer.metadata };
  }

  /** Hands the app one event as if it came from the component, once. */
  async emit(event: {
    component: string;
    data: Uint8Array | undefined;
    headers: readonly { name: string; value: Uint8Array<ArrayBuffer> }[];
  }): Promise<EmittedOutcome> {
    const { component, data, headers } = event;
    const message: MessageInitShape<typeof EmitEventRequestSchema> = {
      component,
      event: { headers: [...headers], ...(data && { data: new Uint8Array(data) }) },
    };
    const { outcome } = await this.#failing(() => this.#operations.emitEvent(message, this.#call));
    if (outcome.case === "handled") {
      return { kind: "handled", data: outcome.value.data, to: outcome.value.to };
    }
    return { kind: "not handled", reason: outcome.value?.reason || "the runtime gave no reason" };
  }

  /** Every component, in the order of the resources. */
  async components(): Promise<ListedComponent[]> {
    const { components } = await this.#failing(() =>
      this.#operations.listComponents({}, this.#call),
    );
    return components.map(listed);
  }

  [Symbol.dispose](): void {
    void this.#transport.close();
  }

  async #failing<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      if (error.code === Code.Unavailable) {
        throw new BindingError(
          "unavailable",
          `no runtime answers at ${this.#url} (${error.rawMessage}); start one, or say --address host:port of its gRPC or HTTP port`,
          { effect: "unsent", cause: thrown },
        );
      }
      const hint =
        error.code === Code.Unauthenticated
          ? "; put the runtime's DAPR_API_TOKEN into the environment"
          : "";
      throw new BindingError(reasons.get(error.code) ?? "internal", error.rawMessage + hint, {
        cause: thrown,
      });
    }
  }
}

const reasons: ReadonlyMap<number, Reason> = new Map(
  Object.entries(grpcCodes).map(([reason, code]) => [code, reason as Reason]),
);

function listed(component: Component): ListedComponent {
  const { name, type, version, reason, operations, source, required, input, since } = component;
  return {
    name,
    type,
    version,
    state: stateName(component.state),
    reason,
    since: since === undefined ? "" : timestampDate(since).toISOString(),
    directions: component.directions.map((one) => (one === Direction.INPUT ? "input" : "output")),
    operations,
    inFlight: input?.inFlight ?? 0,
    waiting: input?.waiting ?? 0,
    handled: Number(input?.handled ?? 0n),
    attempts: Number(input?.attempts ?? 0n),
    source,
    required,
  };
}

/** `WAITING_FOR_APP` as people read it: `waiting for app`. */
function stateName(state: number): string {
  return (
    ComponentStateSchema.values.find(({ number }) => number === state)?.localName ?? "unknown"
  )
    .toLowerCase()
    .replaceAll("_", " ");
}

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Operations, type EmitEventRequestSchema } from "../../gen/cufflink/v1/operations_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import { DeadLettersClient } from "./dead-letters-client.ts";
import { HistoryClient } from "./history-client.ts";
import { listed, type ListedComponent } from "./listed-component.ts";
import { OperatorClient } from "./operator-client.ts";

export type EmittedOutcome =
  | {
      readonly kind: "handled";
      readonly data: Uint8Array | undefined;
      readonly to: readonly string[];
    }
  | { readonly kind: "not handled"; readonly reason: string };

/** A client of a running runtime. Every call rejects with a `BindingError`. */
export class RuntimeClient implements Disposable {
  readonly deadLetters: DeadLettersClient;
  readonly operator: OperatorClient;
  readonly history: HistoryClient;
  readonly #caller: Caller;
  readonly #dapr;
  readonly #operations;

  constructor(options: CallerOptions) {
    this.#caller = new Caller(options);
    this.#dapr = this.#caller.client(Dapr);
    this.#operations = this.#caller.client(Operations);
    this.deadLetters = new DeadLettersClient(this.#caller);
    this.operator = new OperatorClient(this.#caller);
    this.history = new HistoryClient(this.#caller);
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
    const answer = await this.#caller.call((options) => this.#dapr.invokeBinding(message, options));
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
    const { outcome } = await this.#caller.call((options) =>
      this.#operations.emitEvent(message, options),
    );
    if (outcome.case === "handled") {
      return { kind: "handled", data: outcome.value.data, to: outcome.value.to };
    }
    return { kind: "not handled", reason: outcome.value?.reason || "the runtime gave no reason" };
  }

  /** Every component, in the order of the resources. */
  async components(): Promise<ListedComponent[]> {
    return (await this.overview()).components;
  }

  /** Every component, and why durable records, or dead letters, cannot be kept now; `undefined`: they can. */
  async overview(): Promise<{
    components: ListedComponent[];
    storeTrouble: string | undefined;
    storeDoubt: string | undefined;
  }> {
    const { components, storeTrouble, storeDoubt } = await this.#caller.call((options) =>
      this.#operations.listComponents({}, options),
    );
    return {
      components: components.map(listed),
      storeTrouble: storeTrouble || undefined,
      storeDoubt: storeDoubt || undefined,
    };
  }

  [Symbol.dispose](): void {
    this.#caller.close();
  }
}

import type { AnyBinding, Answer, HttpEndpoints, InboundEvent } from "../binding.ts";
import type { ComponentSpec } from "../component.ts";
import type { App, Outcome } from "./app.ts";
import type { Invocation } from "./invocation.ts";
import type { Observer } from "./observer.ts";
import type { ComponentStatus } from "./status.ts";

export type RuntimeOptions = {
  readonly appId: string;
  readonly bindings: readonly AnyBinding[];
  /** Absent: inputs wait for an app, outputs work. */
  readonly app?: App | undefined;
  readonly logger: RuntimeLogger;
  readonly observer?: Observer;
  readonly http: HttpEndpoints;
  /** The most events of all components together that the app handles at one time. Default: no limit. */
  readonly maxConcurrency?: number | undefined;
};

/** A logger that can be narrowed to one component. */
export type RuntimeLogger = import("../binding.ts").Logger & { child(fields: object): RuntimeLogger };

/** The heart: components, the way out and the way in. Knows no binding, no wire. */
export type Runtime = {
  /**
   * Makes exactly these components run: new ones are opened, ones that are gone are closed, changed
   * ones are opened anew. Resolves once each was tried or its `initTimeout` has passed. Never rejects.
   */
  apply(specs: readonly ComponentSpec[]): Promise<void>;
  /** In the order in which they were applied. */
  components(): ComponentStatus[];
  /** The binding behind a component type such as `bindings.redis`, in any case. */
  readonly bindings: readonly AnyBinding[];
  /** Every component was tried, and the runtime is not draining. */
  readonly ready: boolean;
  /** Runs an operation. Resolves to `undefined` for "no response". Rejects with a `BindingError`. */
  invoke(invocation: Invocation): Promise<Answer | undefined>;
  /** Hands a test event to the app as if the component had read it, once. */
  emit(name: string, event: Pick<InboundEvent, "data" | "metadata" | "headers">, signal: AbortSignal): Promise<Outcome>;
  /**
   * Stops the inputs: no more events are read, those with the app are awaited until `deadline` (ms),
   * the rest is returned to the sources. Outputs go on working.
   */
  drain(deadline: number): Promise<{ abandoned: number }>;
  /** Closes everything. Drains first when that was not done. */
  close(): Promise<void>;
};

import type { Service } from "../grpc/service.ts";
import type { DeadLetterManager } from "../runtime/records/dead-letters.ts";
import type { Definition } from "../resources/definition.ts";
import type { Operator } from "../runtime/operator.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { Sampler } from "../runtime/watch/sampler.ts";
import type { StoreState } from "../store/store.ts";
import type { BindingsOptions } from "./bindings.ts";
import { daprService, type DaprOptions } from "./dapr.ts";
import { healthService } from "./health.ts";
import { mainServiceNames, otherServiceNames } from "./service-names.ts";

export type ServicesOptions = DaprOptions &
  BindingsOptions & {
    /** Aborted when the server closes: what would go on for ever ends. */
    readonly closing: AbortSignal;
    readonly operations?: OperationsOptions | undefined;
    /** Where durable records are kept. Absent: there are none. */
    readonly store?: StoreState | undefined;
  };

/** What an operator may do beyond looking. Absent: the methods for it are UNIMPLEMENTED. */
export type OperationsOptions = {
  readonly operator: Operator;
  readonly deadLetters: DeadLetterManager;
  /** Reads the resources again and takes over what has changed. */
  readonly reload: () => Promise<ReloadResult>;
  /** A component as its file says it. Absent: none came from a file. */
  readonly definition?: ((name: string) => Definition | undefined) | undefined;
  /** Notes what components do. Default: one that begins with the first who asks. */
  readonly sampler?: Sampler | undefined;
};

/** The services of `mainServiceNames`. */
export function mainServices(options: ServicesOptions): Service[] {
  const { runtime, closing, store } = options;
  const services = [...mainServiceNames, ...otherServiceNames];
  return [daprService(options), healthService({ runtime, services, store, closing })];
}

import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { delay } from "../delay.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import type { StoreState } from "../store/store.ts";

type HealthOptions = {
  readonly runtime: Pick<Runtime, "ready"> & {
    readonly components: () => readonly Pick<ComponentStatus, "name" | "state">[];
  };
  readonly services: readonly string[];
  readonly store: StoreState | undefined;
  readonly closing: AbortSignal;
};

/** The name of the store of durable records. */
const storeName = "cufflink.store";

/**
 * `grpc.health.v1`: `""` and our services are ready with the runtime, a component's name with that component,
 * `cufflink.store` while durable records can be kept.
 */
export function healthService(options: HealthOptions): Service {
  return createService(Health, {
    check({ service }) {
      const status = healthOf(service, options);
      if (status !== Status.SERVICE_UNKNOWN) return { status };
      const text = `no service or component is called ${service}`;
      throw new GrpcFailure(Code.notFound, text);
    },
    watch: ({ service }, { signal }) =>
      watchHealth(service, options, AbortSignal.any([signal, options.closing])),
  });
}

/** `Watch`: the status now, and each time that it changes, looked at every second. */
async function* watchHealth(
  service: string,
  options: HealthOptions,
  signal: AbortSignal,
): AsyncGenerator<{ status: Status }> {
  let last: Status | undefined;
  while (!signal.aborted) {
    const status = healthOf(service, options);
    if (status !== last) yield { status };
    last = status;
    await delay(1000, signal);
  }
}

function healthOf(service: string, { runtime, services, store }: HealthOptions): Status {
  if (service === storeName && store !== undefined)
    return store.trouble === undefined ? Status.SERVING : Status.NOT_SERVING;
  if (service === "" || services.includes(service))
    return runtime.ready ? Status.SERVING : Status.NOT_SERVING;
  const component = runtime.components().find(({ name }) => name === service);
  if (component === undefined) return Status.SERVICE_UNKNOWN;
  return component.state === "running" ? Status.SERVING : Status.NOT_SERVING;
}

import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import { delay } from "../runtime/delay.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** `grpc.health.v1`: `""` and our services are ready with the runtime, a component's name with that component. */
export function healthService(
  runtime: Runtime,
  services: readonly string[],
  closing: AbortSignal,
): Service {
  return createService(Health, {
    check({ service }) {
      const status = healthOf(runtime, service, services);
      if (status !== Status.SERVICE_UNKNOWN) return { status };
      const text = `no service or component is called ${service}`;
      throw new GrpcFailure(Code.notFound, text);
    },
    watch: ({ service }, { signal }) =>
      watchHealth(runtime, service, services, AbortSignal.any([signal, closing])),
  });
}

/** `Watch`: the status now, and each time that it changes, looked at every second. */
async function* watchHealth(
  runtime: Runtime,
  service: string,
  services: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<{ status: Status }> {
  let last: Status | undefined;
  while (!signal.aborted) {
    const status = healthOf(runtime, service, services);
    if (status !== last) yield { status };
    last = status;
    await delay(1000, signal);
  }
}

function healthOf(runtime: Runtime, service: string, services: readonly string[]): Status {
  if (service === "" || services.includes(service))
    return runtime.ready ? Status.SERVING : Status.NOT_SERVING;
  const component = runtime.components().find(({ name }) => name === service);
  if (component === undefined) return Status.SERVICE_UNKNOWN;
  return component.state === "running" ? Status.SERVING : Status.NOT_SERVING;
}

import type { DescService } from "@bufbuild/protobuf";
import type { Service } from "../grpc/service.ts";
import { bindingsService, type BindingsOptions } from "./bindings.ts";
import { daprService, type DaprOptions } from "./dapr.ts";
import { healthService } from "./health.ts";
import { operationsService } from "./operations.ts";
import { reflectionServices } from "./reflection.ts";

export type ServicesOptions = DaprOptions &
  BindingsOptions & {
    /** Aborted when the server closes: what would go on for ever ends. */
    readonly closing: AbortSignal;
  };

/** Every service that a runtime serves. */
export function runtimeServices(options: ServicesOptions): Service[] {
  const { runtime, closing } = options;
  const descs: DescService[] = [];
  const services = [
    daprService(options),
    bindingsService(options),
    operationsService(runtime),
    healthService(runtime, () => descs.map(({ typeName }) => typeName), closing),
  ];
  services.push(...reflectionServices(services.map(({ desc }) => desc)));
  descs.push(...services.map(({ desc }) => desc));
  return services;
}

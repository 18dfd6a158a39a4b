import type { Service } from "../grpc/service.ts";
import { bindingsService } from "./bindings.ts";
import { operationsService } from "./operations.ts";
import { reflectionServices } from "./reflection.ts";
import type { ServicesOptions } from "./services.ts";

/** The services of `laterServiceNames`, in a file of its own because it is loaded at the first call of one. */
export function laterServices(options: ServicesOptions, others: readonly Service[]): Service[] {
  const services = [bindingsService(options), operationsService(options.runtime)];
  const descs = [...others, ...services].map(({ desc }) => desc);
  return [...services, ...reflectionServices(descs)];
}

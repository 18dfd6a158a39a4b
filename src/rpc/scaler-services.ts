import type { Service } from "../grpc/service.ts";
import { externalScalerService, type ExternalScalerOptions } from "./external-scaler.ts";
import { healthService } from "./health.ts";
import { reflectionServices } from "./reflection.ts";

/** All that `cufflink scaler` serves: KEDA's protocol, `grpc.health.v1` and reflection. */
export function scalerServices(options: ExternalScalerOptions): Service[] {
  const { scaler, closing } = options;
  const own = externalScalerService(options);
  const services = [own.desc.typeName, "grpc.health.v1.Health"];
  const runtime = {
    get ready() {
      return scaler.ready;
    },
    components: () => [],
  };
  const all = [own, healthService({ runtime, services, store: undefined, closing })];
  return [...all, ...reflectionServices(all.map(({ desc }) => desc))];
}

import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { methodPath, type Service } from "../../grpc/service.ts";

/** The services with the methods that a web page can call: its request is one message. */
export function pageServices(services: readonly Service[]): Service[] {
  return services.map((service) => {
    const impls = Object.entries(service.impl).filter(([name]) =>
      service.desc.methods.some((method) => method.localName === name && isCallable(method)),
    );
    return { ...service, impl: Object.fromEntries(impls), raw: {} };
  });
}

function isCallable({ methodKind }: DescMethod): boolean {
  return methodKind === "unary" || methodKind === "server_streaming";
}

/** The paths of methods that change nothing, as their declarations say. */
export function readingPaths(services: readonly Service[]): ReadonlySet<string> {
  const methods = services.flatMap(({ desc }) => desc.methods);
  const reading = methods.filter(({ idempotency }) => idempotency === Idempotency.NO_SIDE_EFFECTS);
  return new Set(reading.map(methodPath));
}

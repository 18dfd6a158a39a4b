/** The services that every app calls, by name. */
export const mainServiceNames: readonly string[] = [
  "dapr.proto.runtime.v1.Dapr",
  "grpc.health.v1.Health",
];

/** The services that many a process never sees a call of, by name. */
export const otherServiceNames: readonly string[] = [
  "cufflink.v1.Bindings",
  "cufflink.v1.DeadLetters",
  "cufflink.v1.History",
  "cufflink.v1.Operations",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

/**
 * Dapr's annotations of pods, all that its injector reads (pkg/injector/annotations of Dapr 1.18), and what becomes of
 * each: `kind` says how its value is read, `named` why it has no effect.
 */

export type Kind =
  | "text"
  | "boolean"
  | "port"
  | "number"
  | "seconds"
  | "duration"
  | "size"
  | "quantity";

export type Annotation = {
  readonly kind: Kind;
  /** Without effect, for this reason; a warning says so. */
  readonly named?: string;
};

export const daprPrefix = "dapr.io/";

const noActors = "Cufflink has no actors, workflows or jobs";
const noMutualTls = "there is no control plane, and so no mutual TLS between sidecars";

const honoured = {
  enabled: { kind: "boolean" },
  "app-id": { kind: "text" },
  "app-port": { kind: "port" },
  "app-protocol": { kind: "text" },
  "app-ssl": { kind: "boolean" },
  "app-channel-address": { kind: "text" },
  "app-max-concurrency": { kind: "number" },
  "app-binding-options-timeout": { kind: "duration" },
  "enable-app-health-check": { kind: "boolean" },
  "app-health-check-path": { kind: "text" },
  "app-health-probe-interval": { kind: "seconds" },
  "app-health-probe-timeout": { kind: "seconds" },
  "app-health-threshold": { kind: "seconds" },
  config: { kind: "text" },
  "disable-builtin-k8s-secret-store": { kind: "boolean" },
  "log-level": { kind: "text" },
  "log-as-json": { kind: "boolean" },
  "api-token-secret": { kind: "text" },
  "app-token-secret": { kind: "text" },
  env: { kind: "text" },
  "env-from-secret": { kind: "text" },
  "enable-metrics": { kind: "boolean" },
  "metrics-port": { kind: "port" },
  "grpc-port": { kind: "port" },
  "sidecar-listen-addresses": { kind: "text" },
  "unix-domain-socket-path": { kind: "text" },
  "max-body-size": { kind: "size" },
  "http-max-request-size": { kind: "number" },
  "graceful-shutdown-seconds": { kind: "number" },
  "block-shutdown-duration": { kind: "duration" },
  "sidecar-image": { kind: "text" },
  "sidecar-seccomp-profile-type": { kind: "text" },
  "sidecar-cpu-request": { kind: "quantity" },
  "sidecar-cpu-limit": { kind: "quantity" },
  "sidecar-memory-request": { kind: "quantity" },
  "sidecar-memory-limit": { kind: "quantity" },
  "sidecar-liveness-probe-delay-seconds": { kind: "seconds" },
  "sidecar-liveness-probe-timeout-seconds": { kind: "seconds" },
  "sidecar-liveness-probe-period-seconds": { kind: "seconds" },
  "sidecar-liveness-probe-threshold": { kind: "seconds" },
  "sidecar-readiness-probe-delay-seconds": { kind: "seconds" },
  "sidecar-readiness-probe-timeout-seconds": { kind: "seconds" },
  "sidecar-readiness-probe-period-seconds": { kind: "seconds" },
  "sidecar-readiness-probe-threshold": { kind: "seconds" },
  "volume-mounts": { kind: "text" },
  "volume-mounts-rw": { kind: "text" },
  "pluggable-components": { kind: "text" },
  "pluggable-components-sockets-folder": { kind: "text" },
  "enable-native-sidecar": { kind: "boolean" },
} as const satisfies Record<string, Annotation>;

const named = {
  "enable-profiling": { kind: "boolean", named: "Cufflink has no port for profiles" },
  "enable-debug": { kind: "boolean", named: "it starts daprd under Go's debugger" },
  "debug-port": { kind: "port", named: "it starts daprd under Go's debugger" },
  "internal-grpc-port": { kind: "port", named: "sidecars do not call each other" },
  "http-read-buffer-size": { kind: "number", named: "headers have a fixed limit of 64 KiB" },
  "read-buffer-size": { kind: "size", named: "headers have a fixed limit of 64 KiB" },
  "enable-api-logging": {
    kind: "boolean",
    named: "calls are not logged; the metrics count them",
  },
  "placement-host-address": { kind: "text", named: noActors },
  "actors-disseminate-timeout": { kind: "text", named: noActors },
  "scheduler-host-address": { kind: "text", named: noActors },
  "component-container": {
    kind: "text",
    named:
      "it belongs on a Component; put the container into the pod, and name it in dapr.io/pluggable-components",
  },
  "inject-pluggable-components": {
    kind: "boolean",
    named:
      "containers of components are not put in; put them into the pod, and name them in dapr.io/pluggable-components",
  },
  "sentry-request-jwt-audiences": { kind: "text", named: noMutualTls },
  "sidecar-svc-annotations": { kind: "text", named: "no Service is made for the sidecar" },
  "disable-init-endpoints": {
    kind: "text",
    named: "the app is never asked for its configuration or subscriptions",
  },
} as const satisfies Record<string, Annotation>;

export type HonouredName = keyof typeof honoured;

/** By name without the prefix. */
export const annotations: ReadonlyMap<string, Annotation> = new Map<string, Annotation>(
  Object.entries({ ...honoured, ...named }),
);

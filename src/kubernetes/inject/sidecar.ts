import type { JsonObject } from "./json.ts";
import * as names from "./names.ts";
import { resourcesOf, type Mount } from "./parts.ts";
import type { Settings } from "./settings.ts";

/** What the one who runs the injection says. */
export type InjectOptions = {
  /** Cufflink's image; `dapr.io/sidecar-image` comes before it. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never" | undefined;
  /** The user and group of the sidecar; `undefined`: those of the image, or of the cluster. */
  readonly runAsUser: number | undefined;
};

export type SidecarParts = {
  readonly appId: string;
  readonly variables: readonly JsonObject[];
  readonly mounts: readonly Mount[];
  /** Where the sockets of pluggable components are, if there may be any. */
  readonly componentsFolder: string | undefined;
  /** The volume of durable records. */
  readonly stateVolume: string;
};

const defaultGrpcPort = 50_001;
const defaultMetricsPort = 9090;
const defaultGrace = 5;
/** Without IPv6, which pods may not have: an address that is not there would be an error. */
const loopback = "127.0.0.1";
/** Whoever listens on one of these is reached there. */
const onLoopback: ReadonlySet<string> = new Set([loopback, "localhost", "0.0.0.0", "::"]);

export function grpcPortOf(settings: Settings): number {
  return settings.number("grpc-port") ?? defaultGrpcPort;
}

export function metricsPortOf(settings: Settings): number | undefined {
  if (!settings.notOff("enable-metrics")) return undefined;
  return settings.number("metrics-port") ?? defaultMetricsPort;
}

/** How long the app may take for the events it has, in seconds. */
export function graceOf(settings: Settings): number {
  const seconds = settings.number("graceful-shutdown-seconds") ?? defaultGrace;
  // daprd's own default is -1, which it takes for five seconds.
  return seconds < 0 ? defaultGrace : seconds;
}

/** The container, as an init container that restarts: what Kubernetes calls a sidecar. */
export function sidecarOf(
  settings: Settings,
  { appId, variables, mounts, componentsFolder, stateVolume }: SidecarParts,
  options: InjectOptions,
): JsonObject {
  const resources = resourcesOf(settings);
  const healthPort = names.publicPort;
  return {
    name: names.sidecarName,
    image: imageOf(settings, options),
    ...(options.imagePullPolicy && { imagePullPolicy: options.imagePullPolicy }),
    restartPolicy: "Always",
    args: argumentsOf(settings, appId),
    ports: portsOf(settings),
    env: environmentOf(settings, variables, componentsFolder),
    ...(resources && { resources }),
    // It passes once each component was tried, whether the app is there or not: the app starts after it.
    startupProbe: {
      httpGet: { path: "/v1.0/healthz", port: healthPort },
      ...{ periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 120 },
    },
    livenessProbe: {
      httpGet: { path: "/v1.0/healthz", port: healthPort },
      ...probeOf(settings, "liveness", { delay: 0, timeout: 3, period: 10, threshold: 5 }),
    },
    readinessProbe: {
      httpGet: { path: "/v1.0/healthz/ready", port: healthPort },
      ...probeOf(settings, "readiness", { delay: 0, timeout: 3, period: 5, threshold: 3 }),
    },
    lifecycle: { preStop: { exec: { command: stopCommand(settings, appId) } } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      ...(options.runAsUser !== undefined && {
        ...{ runAsUser: options.runAsUser, runAsGroup: options.runAsUser },
      }),
      seccompProfile: { type: settings.text("sidecar-seccomp-profile-type") ?? "RuntimeDefault" },
    },
    volumeMounts: mountsIn(settings, { mounts, componentsFolder, stateVolume }),
  };
}

function imageOf(settings: Settings, { image }: InjectOptions): string {
  const asked = settings.text("sidecar-image");
  if (asked === undefined) return image;
  if (!/(^|\/)daprd([:@]|$)/.test(asked)) return asked;
  settings.warn("sidecar-image", `is daprd's image ${asked}; ${image} takes its place`);
  return image;
}

function argumentsOf(settings: Settings, appId: string): string[] {
  const list: string[] = ["serve", "--mode", "kubernetes", "--app-id", appId];
  const flag = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) list.push(`--${name}`, String(value));
  };
  const mark = (name: string, on: boolean): void => {
    if (on) list.push(`--${name}`);
  };
  flag("config", settings.text("config"));
  flag("app-port", settings.number("app-port"));
  flag("app-protocol", settings.text("app-protocol")?.toLowerCase());
  mark("app-ssl", settings.on("app-ssl"));
  flag("app-channel-address", settings.text("app-channel-address"));
  flag("app-max-concurrency", settings.number("app-max-concurrency"));
  flag("app-binding-options-timeout", settings.text("app-binding-options-timeout"));
  if (settings.on("enable-app-health-check")) {
    mark("enable-app-health-check", true);
    flag("app-health-check-path", settings.text("app-health-check-path"));
    flag("app-health-probe-interval", settings.number("app-health-probe-interval"));
    flag("app-health-probe-timeout", settings.number("app-health-probe-timeout"));
    flag("app-health-threshold", settings.number("app-health-threshold"));
  }
  mark("disable-builtin-k8s-secret-store", settings.on("disable-builtin-k8s-secret-store"));
  flag("dapr-http-port", names.httpPort);
  flag("dapr-grpc-port", grpcPortOf(settings));
  flag("dapr-listen-addresses", settings.text("sidecar-listen-addresses") ?? loopback);
  if (settings.text("unix-domain-socket-path") !== undefined)
    flag("unix-domain-socket", names.socketsPath);
  flag("dapr-public-port", names.publicPort);
  // Kubernetes' probes and Prometheus come by the pod's address, and by no other.
  flag("dapr-public-listen-address", "$(CUFFLINK_POD_IP)");
  const metricsPort = metricsPortOf(settings);
  if (metricsPort === undefined) list.push("--enable-metrics=false");
  flag("metrics-port", metricsPort);
  if (metricsPort !== undefined) flag("metrics-listen-address", "$(CUFFLINK_POD_IP)");
  flag("max-body-size", bodySizeOf(settings));
  flag("state-dir", names.statePath);
  flag("log-level", settings.text("log-level"));
  mark("log-as-json", settings.on("log-as-json"));
  flag("dapr-graceful-shutdown-seconds", graceOf(settings));
  flag("dapr-block-shutdown-duration", settings.text("block-shutdown-duration"));
  return list;
}

function bodySizeOf(settings: Settings): string | undefined {
  const size = settings.text("max-body-size");
  const megabytes = settings.number("http-max-request-size");
  if (size !== undefined || megabytes === undefined) return size;
  if (megabytes > 0) return `${megabytes}Mi`;
  settings.warn("http-max-request-size", "has no effect: a size without a limit does not exist");
  return undefined;
}

function portsOf(settings: Settings): JsonObject[] {
  const sockets = settings.text("unix-domain-socket-path") !== undefined;
  const metricsPort = metricsPortOf(settings);
  const port = (name: string, containerPort: number): JsonObject => ({ name, containerPort });
  return [
    ...(sockets
      ? []
      : [port("dapr-http", names.httpPort), port("dapr-grpc", grpcPortOf(settings))]),
    port("dapr-public", names.publicPort),
    ...(metricsPort === undefined ? [] : [port("dapr-metrics", metricsPort)]),
  ];
}

function environmentOf(
  settings: Settings,
  variables: readonly JsonObject[],
  componentsFolder: string | undefined,
): JsonObject[] {
  const field = (name: string, fieldPath: string): JsonObject => ({
    ...{ name, valueFrom: { fieldRef: { fieldPath } } },
  });
  const secret = (name: string, secretName: string | undefined): JsonObject[] =>
    secretName === undefined
      ? []
      : [{ name, valueFrom: { secretKeyRef: { name: secretName, key: "token" } } }];
  const own: JsonObject[] = [
    field("NAMESPACE", "metadata.namespace"),
    field("POD_NAME", "metadata.name"),
    field("CUFFLINK_POD_IP", "status.podIP"),
    ...(componentsFolder === undefined
      ? []
      : [{ name: "DAPR_COMPONENT_SOCKETS_FOLDER", value: componentsFolder }]),
    ...secret("DAPR_API_TOKEN", settings.text("api-token-secret")),
    ...secret("APP_API_TOKEN", settings.text("app-token-secret")),
  ];
  const asked = new Set(variables.map(({ name }) => name));
  return [
    ...own.filter(({ name }) => name === "CUFFLINK_POD_IP" || !asked.has(name)),
    ...variables,
  ];
}

function probeOf(
  settings: Settings,
  kind: "liveness" | "readiness",
  otherwise: { delay: number; timeout: number; period: number; threshold: number },
): JsonObject {
  const delay = settings.number(`sidecar-${kind}-probe-delay-seconds`) ?? otherwise.delay;
  return {
    ...(delay > 0 && { initialDelaySeconds: delay }),
    timeoutSeconds: settings.number(`sidecar-${kind}-probe-timeout-seconds`) || otherwise.timeout,
    periodSeconds: settings.number(`sidecar-${kind}-probe-period-seconds`) || otherwise.period,
    failureThreshold: settings.number(`sidecar-${kind}-probe-threshold`) || otherwise.threshold,
  };
}

/**
 * Kubernetes runs it when the pod begins to end, and sends SIGTERM to this container after the app has ended: between
 * the two no events are read, and outputs work.
 */
function stopCommand(settings: Settings, appId: string): string[] {
  const sockets = settings.text("unix-domain-socket-path") !== undefined;
  const hosts = (settings.text("sidecar-listen-addresses") ?? loopback)
    .split(",")
    .map((one) => one.trim().replace(/^\[(.*)\]$/, "$1"));
  const isOnLoopback = hosts.some((one) => onLoopback.has(one));
  const host = isOnLoopback ? loopback : (hosts[0] ?? loopback);
  const bracketed = host.includes(":") ? `[${host}]` : host;
  const address = sockets
    ? `unix:${names.socketsPath}/dapr-${appId}-grpc.socket`
    : `${bracketed}:${grpcPortOf(settings)}`;
  const deadline = `${graceOf(settings)}s`;
  return ["cufflink", "stop-inputs", "--address", address, "--deadline", deadline];
}

function mountsIn(
  settings: Settings,
  { mounts, componentsFolder, stateVolume }: Omit<SidecarParts, "appId" | "variables">,
): JsonObject[] {
  const { volumes } = names;
  const own: JsonObject[] = [
    { name: stateVolume, mountPath: names.statePath },
    { name: volumes.temporary, mountPath: "/tmp" },
    { name: volumes.token, mountPath: names.tokenPath, readOnly: true },
    ...(settings.text("unix-domain-socket-path") === undefined
      ? []
      : [{ name: volumes.sockets, mountPath: names.socketsPath }]),
    ...(componentsFolder === undefined
      ? []
      : [{ name: volumes.components, mountPath: componentsFolder }]),
  ];
  const isAsked = ({ mountPath }: JsonObject): boolean =>
    mounts.some((one) => one.mountPath === mountPath);
  return [
    ...own.filter((one) => !isAsked(one)),
    ...mounts.map(({ name, mountPath, readOnly }) => ({
      ...{ name, mountPath },
      ...(readOnly && { readOnly }),
    })),
  ];
}

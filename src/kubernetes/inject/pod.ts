import { daprPrefix } from "./annotations.ts";
import { listIn, nameOf, objectAt, objectIn, objectsAt, textAt, type JsonObject } from "./json.ts";
import * as names from "./names.ts";
import { mountsOf, variablesOf } from "./parts.ts";
import { note, recordOf, strip, type InjectRecord, type Pod } from "./record.ts";
import { booleanOf, Settings } from "./settings.ts";
import { graceOf, grpcPortOf, metricsPortOf, sidecarOf, type InjectOptions } from "./sidecar.ts";
import { tokenVolume, withholdToken } from "./token.ts";

export type PodOutcome = {
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
};

/** What the end of the runtime takes beside the app's time, in seconds. */
const closing = 5;
const defaultTermination = 30;
/** A label's value of which a Service's name is made by adding `-dapr`, as Dapr has it. */
const longestAppId = 58;

/** Whether annotations ask for a sidecar. A value that is neither true nor false counts, and is refused later. */
export function isEnabled(annotations: JsonObject): boolean {
  const value = annotations[`${daprPrefix}enabled`];
  if (typeof value === "string") return booleanOf(value) !== false;
  return value !== undefined && value !== null && value !== false;
}

/**
 * Puts the sidecar into the pod, takes it out, or puts it in anew, as its annotations say. With reasons the pod may be
 * half changed, and is to be thrown away. `workload`: the name that is the app's id without `dapr.io/app-id`.
 */
export function injectPod(
  pod: Pod,
  workload: string | undefined,
  options: InjectOptions,
): PodOutcome {
  let record: InjectRecord | undefined;
  try {
    record = recordOf(pod);
  } catch (error) {
    return { reasons: [(error as Error).message], warnings: [] };
  }
  if (record !== undefined) strip(pod, record);
  const annotations = objectAt(pod.metadata, "annotations") ?? {};
  if (!isEnabled(annotations)) return { reasons: [], warnings: [] };
  const settings = new Settings(annotations);
  settings.reasons.push(...obstacles(pod.spec));
  const appId = appIdOf(settings, workload);
  checkPorts(settings, pod.spec);
  if (settings.reasons.length === 0) put(pod, settings, appId, options);
  return { reasons: settings.reasons, warnings: settings.warnings };
}

function obstacles(spec: JsonObject): string[] {
  const all = [...objectsAt(spec, "initContainers"), ...objectsAt(spec, "containers")];
  const found: string[] = [];
  const has = (name: string): boolean => all.some((one) => one["name"] === name);
  if (has(names.daprdName))
    found.push(
      `it has a container named ${names.daprdName}: Dapr's sidecar and Cufflink's would both serve the app; remove it, or dapr.io/enabled`,
    );
  if (has(names.sidecarName))
    found.push(
      `it has a container named ${names.sidecarName} that is not of this command; remove or rename it`,
    );
  const os = textAt(objectAt(spec, "os") ?? {}, "name");
  const selected = textAt(objectAt(spec, "nodeSelector") ?? {}, "kubernetes.io/os");
  if (os === "windows" || selected === "windows")
    found.push("it runs on Windows, and the image of Cufflink is of Linux");
  if (objectsAt(spec, "containers").length === 0) found.push("it has no containers");
  for (const volume of objectsAt(spec, "volumes")) {
    const name = nameOf(volume);
    if (name.startsWith(names.volumePrefix))
      found.push(`its volume ${name} has a name of Cufflink's own; rename it`);
  }
  return found;
}

function appIdOf(settings: Settings, workload: string | undefined): string {
  const appId = settings.text("app-id") ?? workload;
  if (appId === undefined) {
    settings.refuse("app-id", "is missing, and the pod has no name that could take its place");
    return "";
  }
  if (settings.text("app-id") === undefined)
    settings.warn("app-id", `is missing; the name ${appId} takes its place`);
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(appId) || appId.length > longestAppId)
    settings.refuse(
      "app-id",
      `${JSON.stringify(appId)} is not up to ${longestAppId} small letters, digits and hyphens`,
    );
  return appId;
}

function checkPorts(settings: Settings, spec: JsonObject): void {
  const ours = new Map<number, string>([
    [names.publicPort, "Cufflink's port for probes"],
    [names.httpPort, "Cufflink's HTTP port"],
  ]);
  const grpcPort = grpcPortOf(settings);
  if (ours.has(grpcPort)) settings.refuse("grpc-port", `${grpcPort} is ${ours.get(grpcPort)}`);
  ours.set(grpcPort, "dapr.io/grpc-port");
  const metricsPort = metricsPortOf(settings);
  if (metricsPort !== undefined) {
    if (ours.has(metricsPort))
      settings.refuse("metrics-port", `${metricsPort} is ${ours.get(metricsPort)}`);
    ours.set(metricsPort, "dapr.io/metrics-port");
  }
  const appPort = settings.number("app-port");
  if (appPort !== undefined && ours.has(appPort))
    settings.refuse("app-port", `${appPort} is ${ours.get(appPort)}`);
  for (const container of [...objectsAt(spec, "initContainers"), ...objectsAt(spec, "containers")])
    for (const { containerPort, protocol = "TCP" } of objectsAt(container, "ports")) {
      if (typeof containerPort !== "number" || protocol !== "TCP") continue;
      const use = ours.get(containerPort);
      if (use !== undefined)
        settings.warnings.push(
          `its container ${nameOf(container)} has the port ${containerPort}, which is ${use}: only one of them can listen there`,
        );
    }
}

function put(pod: Pod, settings: Settings, appId: string, options: InjectOptions): void {
  const { metadata, spec } = pod;
  const stateVolume = stateVolumeOf(pod, settings);
  const podVolumes = volumesOf(pod);
  const componentContainers = componentContainersOf(spec, settings);
  const componentsFolder =
    componentContainers.size === 0
      ? undefined
      : (settings.text("pluggable-components-sockets-folder") ?? names.componentsPath);
  const parts = {
    ...{ appId, componentsFolder, stateVolume },
    variables: variablesOf(settings),
    mounts: mountsOf(settings, podVolumes),
  };
  const added: JsonObject[] = [
    ...(stateVolume === names.volumes.state ? [{ name: stateVolume, emptyDir: {} }] : []),
    { name: names.volumes.temporary, emptyDir: {} },
    tokenVolume(),
  ];
  const env = new Map<string, string[]>();
  const mounts = new Map<string, string[]>();
  const mountIn = (container: JsonObject, name: string, mountPath: string): void => {
    const list = objectsAt(container, "volumeMounts");
    if (list.some((one) => one["mountPath"] === mountPath)) return;
    listIn(container, "volumeMounts").push({ name, mountPath });
    append(mounts, nameOf(container), name);
  };
  const setIn = (container: JsonObject, variables: Record<string, string>): void => {
    for (const [name, value] of Object.entries(variables)) {
      if (objectsAt(container, "env").some((one) => one["name"] === name)) continue;
      listIn(container, "env").push({ name, value });
      append(env, nameOf(container), name);
    }
  };
  const socketsFolder = settings.text("unix-domain-socket-path");
  if (socketsFolder !== undefined)
    added.push({ name: names.volumes.sockets, emptyDir: { medium: "Memory" } });
  if (componentsFolder !== undefined) added.push({ name: names.volumes.components, emptyDir: {} });
  const { shared, isWritten } = withholdToken(spec);
  if (shared !== undefined)
    settings.warnings.push(`the app shares the rights of the sidecar's service account: ${shared}`);
  for (const container of objectsAt(spec, "containers")) {
    if (componentContainers.has(container) && componentsFolder !== undefined) {
      mountIn(container, names.volumes.components, componentsFolder);
      setIn(container, { DAPR_COMPONENT_SOCKETS_FOLDER: componentsFolder });
      continue;
    }
    setIn(container, addressesFor(settings, appId, socketsFolder));
    if (socketsFolder !== undefined) mountIn(container, names.volumes.sockets, socketsFolder);
  }
  const sidecar = sidecarOf(settings, parts, options);
  if (settings.reasons.length > 0) return;
  // First: it starts before the app's own init containers, and ends after every other sidecar.
  spec["initContainers"] = [sidecar, ...objectsAt(spec, "initContainers")];
  listIn(spec, "volumes").push(...added);
  const labels = labelsIn(metadata, {
    "dapr.io/sidecar-injected": "true",
    "dapr.io/app-id": appId,
    "dapr.io/metrics-enabled": String(metricsPortOf(settings) !== undefined),
  });
  checkTermination(spec, settings);
  if (spec["hostNetwork"] === true)
    settings.warnings.push(
      "hostNetwork is true: the sidecar's ports are those of the node, where another pod may have them",
    );
  note(pod, {
    volumes: added.map(nameOf),
    ...{ labels, env: Object.fromEntries(env), mounts: Object.fromEntries(mounts) },
    automount: isWritten,
  });
}

/** Dapr's labels, by which people select pods; those that the pod has already stay as they are. */
function labelsIn(metadata: JsonObject, wanted: Record<string, string>): string[] {
  const labels = objectIn(metadata, "labels");
  return Object.entries(wanted).flatMap(([name, value]) => {
    if (Object.hasOwn(labels, name)) return [];
    labels[name] = value;
    return [name];
  });
}

function addressesFor(
  settings: Settings,
  appId: string,
  socketsFolder: string | undefined,
): Record<string, string> {
  const protocol = settings.text("app-protocol")?.toLowerCase() ?? "http";
  const secure = { http: "https", grpc: "grpcs" }[protocol];
  const APP_PROTOCOL = (settings.on("app-ssl") ? secure : undefined) ?? protocol;
  if (socketsFolder === undefined)
    return {
      DAPR_HTTP_PORT: String(names.httpPort),
      DAPR_GRPC_PORT: String(grpcPortOf(settings)),
      APP_PROTOCOL,
    };
  const socket = (listener: string): string =>
    `unix:${socketsFolder.replace(/\/+$/, "")}/dapr-${appId}-${listener}.socket`;
  return {
    DAPR_HTTP_ENDPOINT: socket("http"),
    DAPR_GRPC_ENDPOINT: socket("grpc"),
    APP_PROTOCOL,
  };
}

function componentContainersOf(spec: JsonObject, settings: Settings): ReadonlySet<JsonObject> {
  const containers = objectsAt(spec, "containers");
  const found = new Set<JsonObject>();
  for (const name of (settings.text("pluggable-components") ?? "").split(",")) {
    const trimmed = name.trim();
    if (trimmed === "") continue;
    const container = containers.find((one) => one["name"] === trimmed);
    if (container === undefined)
      settings.warn("pluggable-components", `names ${trimmed}, and the pod has no such container`);
    else found.add(container);
  }
  return found;
}

function volumesOf({ spec, claims = [] }: Pod): ReadonlySet<string> {
  return new Set([...objectsAt(spec, "volumes").map(nameOf), ...claims]);
}

function stateVolumeOf(pod: Pod, settings: Settings): string {
  const annotations = objectAt(pod.metadata, "annotations") ?? {};
  const asked = textAt(annotations, names.stateVolumeAnnotation);
  if (asked === undefined) return names.volumes.state;
  if (!volumesOf(pod).has(asked))
    settings.reasons.push(
      `${names.stateVolumeAnnotation} names the volume ${asked}, which the pod does not have`,
    );
  return asked;
}

function checkTermination(spec: JsonObject, settings: Settings): void {
  const given = spec["terminationGracePeriodSeconds"];
  const time = typeof given === "number" ? given : defaultTermination;
  const needed = graceOf(settings) + closing;
  if (time < needed)
    settings.warnings.push(
      `terminationGracePeriodSeconds is ${time}, and the end may take ${needed} s: dapr.io/graceful-shutdown-seconds for the app, and ${closing} s to close`,
    );
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}

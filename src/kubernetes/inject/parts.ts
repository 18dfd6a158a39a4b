import type { JsonObject } from "./json.ts";
import type { Settings } from "./settings.ts";

/** Before the name of a variable that follows another: values may have commas of their own, as in Dapr. */
const nextVariable = /,(?=\s*[a-zA-Z_][a-zA-Z0-9_]*=)/;
const isVariable = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** `dapr.io/env` and `dapr.io/env-from-secret` as Kubernetes writes them. */
export function variablesOf(settings: Settings): JsonObject[] {
  const plain = pairsOf(settings, "env").map(([name, value]) => ({ name, value }));
  const secret = pairsOf(settings, "env-from-secret").flatMap(([name, value]) => {
    const parts = value.split(":").map((one) => one.trim());
    const [secretName = "", key = secretName] = parts;
    if (parts.length <= 2 && secretName !== "" && key !== "")
      return [{ name, valueFrom: { secretKeyRef: { name: secretName, key } } }];
    settings.refuse(
      "env-from-secret",
      `${name}=${value} is neither NAME=SECRET nor NAME=SECRET:KEY`,
    );
    return [];
  });
  return [...plain, ...secret];
}

function pairsOf(settings: Settings, annotation: "env" | "env-from-secret"): [string, string][] {
  const text = settings.text(annotation);
  if (text === undefined) return [];
  return text.split(nextVariable).flatMap((one): [string, string][] => {
    const at = one.indexOf("=");
    const name = one.slice(0, Math.max(at, 0)).trim();
    if (isVariable.test(name)) return [[name, one.slice(at + 1).trim()]];
    // The value may be a secret, and is not told.
    settings.refuse(annotation, "is not NAME=VALUE, or several of them separated by commas");
    return [];
  });
}

export type Mount = {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
};

/** `dapr.io/volume-mounts` and `dapr.io/volume-mounts-rw`, of volumes that the pod has. */
export function mountsOf(settings: Settings, podVolumes: ReadonlySet<string>): Mount[] {
  return (["volume-mounts", "volume-mounts-rw"] as const).flatMap((annotation) =>
    (settings.text(annotation) ?? "")
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "")
      .flatMap((one) => {
        const [name = "", mountPath = "", ...more] = one.split(":");
        if (name === "" || !mountPath.startsWith("/") || more.length > 0) {
          settings.refuse(annotation, `${JSON.stringify(one)} is not VOLUME:/PATH`);
          return [];
        }
        if (podVolumes.has(name))
          return [{ name, mountPath, readOnly: annotation === "volume-mounts" }];
        settings.warn(
          annotation,
          `names the volume ${name}, which the pod does not have; it is left out`,
        );
        return [];
      }),
  );
}

/** What the sidecar may use and asks for; `undefined`: nothing is written. */
export function resourcesOf(settings: Settings): JsonObject | undefined {
  const resources: JsonObject = {};
  for (const [kind, suffix] of [
    ["requests", "request"],
    ["limits", "limit"],
  ] as const) {
    const cpu = settings.text(`sidecar-cpu-${suffix}`);
    const memory = settings.text(`sidecar-memory-${suffix}`);
    if (cpu === undefined && memory === undefined) continue;
    resources[kind] = { ...(cpu && { cpu }), ...(memory && { memory }) };
  }
  return Object.keys(resources).length === 0 ? undefined : resources;
}

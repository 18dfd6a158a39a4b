import { isObject, nameOf, objectAt, objectsAt, type JsonObject } from "./json.ts";
import { tokenPath, volumePrefix, volumes } from "./names.ts";

/** The volume that Kubernetes itself mounts into every container, by the names that its admission gives it. */
const automatic = /^kube-api-access-[a-z0-9]{5}$/;

/** As Kubernetes makes it: the token, the certificate of the API server's authority, and the namespace. */
export function tokenVolume(): JsonObject {
  return {
    name: volumes.token,
    projected: {
      sources: [
        { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
        {
          configMap: {
            name: "kube-root-ca.crt",
            items: [{ key: "ca.crt", path: "ca.crt" }],
          },
        },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }],
          },
        },
      ],
    },
  };
}

/**
 * Takes the service account's token from the app's containers, unless the app asks for it: `automountServiceAccountToken`
 * is true, or a container mounts a token by a volume of the app's own.
 *
 * @returns why the app has the token too, if it has; whether `automountServiceAccountToken` was written.
 */
export function withholdToken(spec: JsonObject): { shared?: string; isWritten: boolean } {
  const automount = spec["automountServiceAccountToken"];
  if (automount === true)
    return { shared: "automountServiceAccountToken is true", isWritten: false };
  const own = ownTokenVolume(spec);
  if (own !== undefined)
    return { shared: `a container mounts a token by the volume ${own}`, isWritten: false };
  dropAutomatic(spec);
  if (automount === false) return { isWritten: false };
  spec["automountServiceAccountToken"] = false;
  return { isWritten: true };
}

function ownTokenVolume(spec: JsonObject): string | undefined {
  const withToken = new Set(
    objectsAt(spec, "volumes")
      .filter((one) => hasToken(one) && !isAutomatic(one))
      .map(nameOf),
  );
  for (const mount of mountsOfAll(spec)) {
    const name = nameOf(mount);
    if (withToken.has(name)) return name;
    // A secret with a token of old, for instance.
    if (mount["mountPath"] === tokenPath && !automatic.test(name)) return name;
  }
  return undefined;
}

function hasToken(volume: JsonObject): boolean {
  const sources = objectsAt(objectAt(volume, "projected") ?? {}, "sources");
  return sources.some(({ serviceAccountToken }) => isObject(serviceAccountToken));
}

function isAutomatic(volume: JsonObject): boolean {
  const name = nameOf(volume);
  return automatic.test(name) || name.startsWith(volumePrefix);
}

function dropAutomatic(spec: JsonObject): void {
  const isOther = (one: unknown): boolean => !isObject(one) || !automatic.test(nameOf(one));
  const keepOthers = (object: JsonObject, name: string): void => {
    const list = object[name];
    if (!Array.isArray(list) || list.every(isOther)) return;
    const rest = list.filter(isOther);
    if (rest.length > 0) object[name] = rest;
    else delete object[name];
  };
  keepOthers(spec, "volumes");
  for (const container of containersOf(spec)) keepOthers(container, "volumeMounts");
}

function containersOf(spec: JsonObject): JsonObject[] {
  return [...objectsAt(spec, "initContainers"), ...objectsAt(spec, "containers")];
}

function mountsOfAll(spec: JsonObject): JsonObject[] {
  return containersOf(spec).flatMap((container) => objectsAt(container, "volumeMounts"));
}

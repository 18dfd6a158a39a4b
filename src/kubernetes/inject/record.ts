import {
  isObject,
  nameOf,
  objectAt,
  objectIn,
  objectsAt,
  textAt,
  type Json,
  type JsonObject,
} from "./json.ts";
import { recordAnnotation, sidecarName } from "./names.ts";

/** What was put into a pod beside the container, by name. */
export type InjectRecord = {
  readonly volumes: readonly string[];
  /** Of its metadata. */
  readonly labels: readonly string[];
  /** By container. */
  readonly env: Readonly<Record<string, readonly string[]>>;
  /** By container: the volumes of its mounts. */
  readonly mounts: Readonly<Record<string, readonly string[]>>;
  /** Whether `automountServiceAccountToken` is ours. */
  readonly automount: boolean;
};

/** A pod, or the template of one. */
export type Pod = {
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
  /** The volumes that claims of its StatefulSet make. */
  readonly claims?: readonly string[];
};

/** The record of the pod; `undefined`: nothing was put in. Throws what is wrong with it. */
export function recordOf({ metadata }: Pod): InjectRecord | undefined {
  const text = textAt(objectAt(metadata, "annotations") ?? {}, recordAnnotation);
  if (text === undefined) return undefined;
  const record = parsed(text);
  if (record === undefined)
    throw new Error(
      `the annotation ${recordAnnotation} cannot be read; take the sidecar and that annotation out by hand`,
    );
  return record;
}

/** Takes out what the record names. */
export function strip(pod: Pod, record: InjectRecord): void {
  const { metadata, spec } = pod;
  without(spec, "initContainers", ({ name }) => name === sidecarName);
  without(spec, "volumes", (one) => record.volumes.includes(nameOf(one)));
  for (const container of objectsAt(spec, "containers")) {
    const name = nameOf(container);
    const env = ownOf(record.env, name);
    without(container, "env", (one) => env.includes(nameOf(one)));
    const mounts = ownOf(record.mounts, name);
    without(container, "volumeMounts", (one) => mounts.includes(nameOf(one)));
  }
  for (const label of record.labels) deleteIn(metadata, "labels", label);
  deleteIn(metadata, "annotations", recordAnnotation);
  if (record.automount) delete spec["automountServiceAccountToken"];
}

/** Writes the record down. */
export function note({ metadata }: Pod, record: InjectRecord): void {
  objectIn(metadata, "annotations")[recordAnnotation] = JSON.stringify(record);
}

function parsed(text: string): InjectRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { volumes, labels, env, mounts, automount } = value;
  if (!areTexts(volumes) || !areTexts(labels) || typeof automount !== "boolean") return undefined;
  if (!areLists(env) || !areLists(mounts)) return undefined;
  return { volumes, labels, env, mounts, automount };
}

/** A container may be named as what every object has. */
function ownOf(
  lists: Readonly<Record<string, readonly string[]>>,
  name: string,
): readonly string[] {
  return (Object.hasOwn(lists, name) ? lists[name] : undefined) ?? [];
}

function areTexts(value: Json | undefined): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function areLists(value: Json | undefined): value is Record<string, string[]> {
  return isObject(value) && Object.values(value).every(areTexts);
}

/** Takes items out of a list, and the list when nothing is left in it. */
function without(object: JsonObject, name: string, isOurs: (item: JsonObject) => boolean): void {
  const list = object[name];
  if (!Array.isArray(list)) return;
  const rest = list.filter((one) => !isObject(one) || !isOurs(one));
  if (rest.length === list.length) return;
  if (rest.length > 0) object[name] = rest;
  else delete object[name];
}

function deleteIn(object: JsonObject, name: string, key: string): void {
  const map = objectAt(object, name);
  if (map === undefined || !Object.hasOwn(map, key)) return;
  delete map[key];
  if (Object.keys(map).length === 0) delete object[name];
}

import { daprPrefix } from "./annotations.ts";
import {
  copyOf,
  isObject,
  isSame,
  objectAt,
  objectsAt,
  textAt,
  type Json,
  type JsonObject,
} from "./json.ts";
import { injectPod, isEnabled } from "./pod.ts";
import type { Pod } from "./record.ts";
import type { InjectOptions } from "./sidecar.ts";

export type Injection = {
  /** `Deployment shop/orders`. */
  readonly name: string;
  /** `ignored`: no workload, or one that asks for no sidecar. */
  readonly outcome: "patched" | "unchanged" | "refused" | "ignored";
  /** Why it was refused. */
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
};

export type InjectResult = {
  /** With what was put in; the parts that were refused or ignored as they were. */
  readonly object: JsonObject;
  /** One for each object; several for a list. */
  readonly injections: readonly Injection[];
};

/** Where the template of the pods is. */
const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ["template"],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

/** Puts the sidecar into an object of Kubernetes, or into each of a list. The object itself is not changed. */
export function injectWorkload(object: JsonObject, options: InjectOptions): InjectResult {
  const kind = textAt(object, "kind") ?? "";
  const items = object["items"];
  if (kind.endsWith("List") && Array.isArray(items)) {
    const injections: Injection[] = [];
    const injected = items.map((item) => {
      if (!isObject(item)) return item;
      // Items of a list such as DeploymentList may leave their kind out.
      const named = textAt(item, "kind") ?? kind.slice(0, -"List".length);
      const inner = Array.isArray(item["items"]) && named.endsWith("List");
      const result = inner ? injectWorkload(item, options) : injectOne(item, named, options);
      injections.push(...("injections" in result ? result.injections : [result.injection]));
      return result.object;
    });
    return { object: { ...object, items: injected }, injections };
  }
  const { object: injected, injection } = injectOne(object, kind, options);
  return { object: injected, injections: [injection] };
}

function injectOne(
  object: JsonObject,
  kind: string,
  options: InjectOptions,
): { object: JsonObject; injection: Injection } {
  const metadata = objectAt(object, "metadata") ?? {};
  const workload = textAt(metadata, "name");
  const place = [textAt(metadata, "namespace"), workload ?? textAt(metadata, "generateName")];
  const name = `${kind} ${place.filter(Boolean).join("/")}`.trim();
  const done = (outcome: Injection["outcome"], warnings: readonly string[] = []) => ({
    object,
    injection: { name, outcome, reasons: [], warnings },
  });
  const copy = copyOf(object);
  const pod = podOf(copy, kind);
  if (pod === undefined)
    return done("ignored", kind !== "" && asksForSidecar(object) ? [unknownKind(kind)] : []);
  const annotations = objectAt(pod.metadata, "annotations") ?? {};
  const misplaced = kind !== "Pod" && isEnabled(objectAt(metadata, "annotations") ?? {});
  const { reasons, warnings: said } = injectPod(pod, workload, options);
  const warnings = [...said];
  if (reasons.length > 0)
    return { object, injection: { name, outcome: "refused", reasons, warnings } };
  if (!isEnabled(annotations) && misplaced)
    warnings.push(
      `${daprPrefix}enabled is on the ${kind}, where it has no effect; write it on the template of its pods`,
    );
  if (!isSame(object, copy))
    return { object: copy, injection: { name, outcome: "patched", reasons, warnings } };
  return done(isEnabled(annotations) ? "unchanged" : "ignored", warnings);
}

function unknownKind(kind: string): string {
  return `it has ${daprPrefix}enabled, and ${kind} is no kind into which this command puts the sidecar; the injector puts it into the pods that are made of it`;
}

/** Whether an object of whatever kind has a part with the annotation: a template of pods, most likely. */
function asksForSidecar(object: JsonObject): boolean {
  const parts: Json[] = [object];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (
      isObject(part) &&
      isEnabled(objectAt(objectAt(part, "metadata") ?? {}, "annotations") ?? {})
    )
      return true;
    if (typeof part === "object" && part !== null) parts.push(...Object.values(part));
  }
  return false;
}

function podOf(object: JsonObject, kind: string): Pod | undefined {
  const path = Object.hasOwn(templates, kind) ? templates[kind] : undefined;
  if (path === undefined) return undefined;
  let template: JsonObject | undefined = object;
  for (const name of path) template = template && objectAt(template, name);
  const spec = template && objectAt(template, "spec");
  if (template === undefined || spec === undefined) return undefined;
  const claims = objectsAt(objectAt(object, "spec") ?? {}, "volumeClaimTemplates").flatMap(
    (claim) => textAt(objectAt(claim, "metadata") ?? {}, "name") ?? [],
  );
  const metadata = objectAt(template, "metadata");
  // A template without metadata has no annotations, and so nothing is written there.
  return { metadata: metadata ?? {}, spec, claims };
}

import { daprPrefix } from "./inject/annotations.ts";
import { isObject, nameOf, objectAt, objectsAt, textAt, type JsonObject } from "./inject/json.ts";
import { daprdName, sidecarName } from "./inject/names.ts";
import { isEnabled } from "./inject/pod.ts";

/** A pod that asks for a sidecar. */
export type CheckedPod = {
  /** `shop/orders-7d…`. */
  readonly pod: string;
  readonly namespace: string;
  readonly appId: string;
  /** `missing`: nothing serves the app; `not native`: a container like any other; `dapr`: daprd serves it. */
  readonly sidecar: "native" | "not native" | "dapr" | "missing";
};

/** The pods of a list, or the one, that ask for a sidecar and have not ended; `undefined`: it is neither. */
export function checkPods(object: unknown): CheckedPod[] | undefined {
  if (!isObject(object)) return undefined;
  const kind = textAt(object, "kind");
  if (kind === "Pod") return checkPod(object);
  const items = object["items"];
  if (kind?.endsWith("List") !== true || !Array.isArray(items)) return undefined;
  return objectsAt(object, "items")
    .filter((item) => kind === "PodList" || textAt(item, "kind") === "Pod")
    .flatMap(checkPod);
}

function checkPod(pod: JsonObject): CheckedPod[] {
  const metadata = objectAt(pod, "metadata") ?? {};
  const annotations = objectAt(metadata, "annotations") ?? {};
  const phase = textAt(objectAt(pod, "status") ?? {}, "phase");
  if (!isEnabled(annotations) || phase === "Succeeded" || phase === "Failed") return [];
  const spec = objectAt(pod, "spec") ?? {};
  const namespace = textAt(metadata, "namespace") ?? "default";
  return [
    {
      pod: `${namespace}/${nameOf(metadata) || (textAt(metadata, "generateName") ?? "")}`,
      ...{ namespace, sidecar: sidecarIn(spec) },
      appId: textAt(annotations, `${daprPrefix}app-id`) ?? nameOf(metadata),
    },
  ];
}

function sidecarIn(spec: JsonObject): CheckedPod["sidecar"] {
  const first = objectsAt(spec, "initContainers");
  const all = [...first, ...objectsAt(spec, "containers")];
  const own = first.find((one) => nameOf(one) === sidecarName);
  if (own?.["restartPolicy"] === "Always") return "native";
  if (all.some((one) => nameOf(one) === sidecarName)) return "not native";
  return all.some((one) => nameOf(one) === daprdName) ? "dapr" : "missing";
}

import type { JsonObject } from "../../../src/kubernetes/inject/json.ts";
import type { InjectOptions } from "../../../src/kubernetes/inject/sidecar.ts";
import { objectAt, objectsAt } from "../../../src/kubernetes/inject/json.ts";

export const options: InjectOptions = {
  image: "cufflink:test",
  imagePullPolicy: undefined,
  runAsUser: 65_532,
};

/** A Deployment whose pods have the annotations. */
export function deployment(annotations: JsonObject, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "orders", namespace: "shop" },
    spec: {
      selector: { matchLabels: { app: "orders" } },
      template: {
        metadata: { labels: { app: "orders" }, annotations },
        spec: { containers: [{ name: "app", image: "app:1" }], ...spec },
      },
    },
  };
}

/** Annotations that ask for a sidecar; names without `dapr.io/`. */
export function asking(more: Record<string, string> = {}): JsonObject {
  const all = Object.entries({ enabled: "true", "app-id": "orders", ...more });
  return Object.fromEntries(all.map(([name, value]) => [`dapr.io/${name}`, value]));
}

/** What is at the path; throws where it ends before. */
export function at(object: JsonObject, ...path: string[]): JsonObject {
  return path.reduce((one, name) => {
    const found = objectAt(one, name);
    if (found === undefined) throw new Error(`there is no ${name} in ${Object.keys(one).join()}`);
    return found;
  }, object);
}

export function podSpec(object: JsonObject): JsonObject {
  return at(object, "spec", "template", "spec");
}

/** The first init container. */
export function sidecar(object: JsonObject): JsonObject {
  const [first] = objectsAt(podSpec(object), "initContainers");
  if (first === undefined) throw new Error("there is no init container");
  return first;
}

/** The value after the flag; `undefined`: the flag is not there. */
export function flag(container: JsonObject, name: string): string | undefined {
  const args = container["args"] as string[];
  const index = args.indexOf(`--${name}`);
  return index === -1 ? undefined : args[index + 1];
}

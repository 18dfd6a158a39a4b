import { componentVersion } from "../resources/kind.ts";
import { ResourceObject } from "../resources/resource-object.ts";
import type { Source } from "../resources/source.ts";

/** daprd's store of this name, which is there without being defined. */
export function kubernetesStore(kubeconfigPath?: string): Source {
  const items = kubeconfigPath ? [{ name: "kubeconfigPath", value: kubeconfigPath }] : [];
  const component = {
    ...{ apiVersion: componentVersion, kind: "Component", metadata: { name: "kubernetes" } },
    spec: { type: "secretstores.kubernetes", version: "v1", metadata: items },
  };
  return ResourceObject.ofJson("the built-in secret store", JSON.stringify(component));
}

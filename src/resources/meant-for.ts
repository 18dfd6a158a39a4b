import type { ComponentDocument } from "./component-document.ts";

/** Whether a resource is of the namespace, and in the app's scope. `appId` absent: of every scope. */
export function isMeantFor(
  document: Pick<ComponentDocument, "namespace" | "scopes">,
  appId: string | undefined,
  namespace: string,
): boolean {
  if (namespace !== "" && document.namespace !== "" && document.namespace !== namespace)
    return false;
  return appId === undefined || document.scopes.length === 0 || document.scopes.includes(appId);
}

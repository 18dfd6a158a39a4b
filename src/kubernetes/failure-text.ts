import type { BindingError } from "../errors.ts";
import { collectionOf, group, plurals, type Kind } from "./kinds.ts";

/** Why objects of a kind cannot be read, and what to do, in a sentence. `name`: only the one of this name is read. */
export function failureText(
  kind: Kind,
  namespace: string,
  name: string | undefined,
  verb: "list" | "watch",
  { reason, message, systemCode }: BindingError,
): string {
  const what = collectionOf(kind, namespace).name;
  if (reason === "permission_denied") {
    const right = `the right to ${verb} ${what} is missing`;
    return `${right} (${message}); a Role in ${namespace} with the rule ${ruleOf(kind, name)} gives it: cufflink kubernetes roles prints it`;
  }
  if (reason === "not_found" && systemCode !== "Expired" && systemCode !== "Gone") {
    const crd = `${plurals[kind]}.${group}`;
    return `Dapr's custom resource ${crd} is not installed in the cluster (${message}); install its CRD`;
  }
  if (reason === "unauthenticated")
    return `the API server does not take the token (${message}); the token is read anew for each request`;
  return message;
}

function ruleOf(kind: Kind, name: string | undefined): string {
  const only = name === undefined ? "" : `, resourceNames: [${name}]`;
  return `{apiGroups: [${group}], resources: [${plurals[kind]}]${only}, verbs: [list, watch]}`;
}

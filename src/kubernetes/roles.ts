import type { SecretReference } from "./secret-references.ts";
import { group, plurals } from "./kinds.ts";

export type RoleOptions = {
  /** Of the Role and of the RoleBinding. */
  readonly name: string;
  readonly namespace: string;
  /** Whose pods get the rights. */
  readonly serviceAccount: string;
  /** The Configuration that `--config` names. */
  readonly configuration?: string | undefined;
  /** The secrets of the namespace that components refer to. */
  readonly secrets: readonly Pick<SecretReference, "name">[];
};

type Rule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
};

type Metadata = {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
};

export type Role = {
  readonly apiVersion: "rbac.authorization.k8s.io/v1";
  readonly kind: "Role";
  readonly metadata: Metadata;
  readonly rules: readonly Rule[];
};

export type RoleBinding = {
  readonly apiVersion: "rbac.authorization.k8s.io/v1";
  readonly kind: "RoleBinding";
  readonly metadata: Metadata;
  readonly roleRef: { readonly apiGroup: string; readonly kind: "Role"; readonly name: string };
  readonly subjects: readonly {
    readonly kind: "ServiceAccount";
    readonly name: string;
    readonly namespace: string;
  }[];
};

/**
 * The rights that `--mode kubernetes` needs in a namespace, and no more: to list and to watch components and Resiliency, the
 * one Configuration by its name, and to get each secret by its name.
 */
export function rolesFor(options: RoleOptions): readonly [Role, RoleBinding] {
  const { name, namespace, serviceAccount, configuration } = options;
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const labels = { "app.kubernetes.io/managed-by": "cufflink" };
  const metadata = { name, namespace, labels };
  const verbs = ["list", "watch"];
  const secrets = [...new Set(options.secrets.map((secret) => secret.name))].sort();
  const rules: Rule[] = [
    { apiGroups: [group], resources: [plurals.Component, plurals.Resiliency], verbs },
  ];
  if (configuration !== undefined) {
    const resources = [plurals.Configuration];
    rules.push({ apiGroups: [group], resources, resourceNames: [configuration], verbs });
  }
  // An empty list of names would mean every secret.
  if (secrets.length > 0) {
    const resources = ["secrets"];
    rules.push({ apiGroups: [""], resources, resourceNames: secrets, verbs: ["get"] });
  }
  return [
    { apiVersion, kind: "Role", metadata, rules },
    {
      ...{ apiVersion, kind: "RoleBinding", metadata },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", name: serviceAccount, namespace }],
    },
  ];
}

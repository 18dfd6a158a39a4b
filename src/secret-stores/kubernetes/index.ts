import { BindingError } from "../../errors.ts";
import { failureOfStatus } from "../../http-client/status.ts";
import { KubernetesLogin } from "../../identity/kubernetes/access.ts";
import { KubernetesClient } from "../../kubernetes-client/client.ts";
import { readStatus } from "../../kubernetes-client/status.ts";
import { string } from "../../metadata/fields.ts";
import { defineSecretStore } from "../../secret-store.ts";
import { encodePath } from "../rest.ts";

/** No secret is larger, in bytes. */
const largestSecret = 4 * 1024 * 1024;

/** Secrets of a Kubernetes cluster, by its API. */
export default defineSecretStore({
  name: "kubernetes",
  status: "beta",
  summary: "Reads secrets of a Kubernetes cluster by its API.",
  provedBy: [
    "Kubernetes API server 1.34, in Kubernetes mode",
    "a stand-in for the API server, written for the tests",
  ],
  isRemote: true,
  isNamespaced: true,
  metadata: {
    defaultNamespace: string({
      description:
        "The namespace of the secrets where neither the component nor the environment variable `NAMESPACE` names one.",
      example: "shop",
    }),
    kubeconfigPath: string({
      description:
        "A kubeconfig, for use outside of a cluster; in a pod its service account is used. Default: `KUBECONFIG`, or `~/.kube/config`.",
      example: "/home/shop/.kube/config",
    }),
  },

  async open({ metadata: { defaultNamespace, kubeconfigPath }, env, hide }) {
    const client = new KubernetesClient({ login: new KubernetesLogin(kubeconfigPath, env), hide });
    return {
      async read(name, { namespace: given, signal }) {
        const namespace = given || env["NAMESPACE"] || defaultNamespace;
        if (!namespace) {
          const text =
            "namespace is missing on metadata and NAMESPACE env variable, and no default namespace is set";
          throw new BindingError("invalid_argument", text);
        }
        // Each is one part of the path, as no name in Kubernetes has a slash.
        const [inNamespace, secret] = [namespace, name].map((one) =>
          one.includes("/") ? encodeURIComponent(one) : encodePath(one),
        );
        const path = `/api/v1/namespaces/${inNamespace}/secrets/${secret}`;
        const { status, text } = await client.get(path, signal, largestSecret);
        if (status === 404) return undefined;
        if (status !== 200) throw refusal(name, namespace, status, text);
        return valuesOf(text);
      },
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]();
      },
    };
  },
});

function refusal(name: string, namespace: string, status: number, text: string): BindingError {
  const { message, code } = readStatus(text);
  const said = message === undefined ? "" : `: ${message}`;
  const { reason, effect } = failureOfStatus(status);
  const rule = `{apiGroups: [""], resources: [secrets], resourceNames: [${name}], verbs: [get]}`;
  const right = `; a Role in ${namespace} with the rule ${rule} gives the right (cufflink kubernetes roles prints it)`;
  const what = `Kubernetes, asked for the secret ${JSON.stringify(name)} of ${namespace},`;
  return new BindingError(
    reason,
    `${what} answered ${status}${said}${status === 403 ? right : ""}`,
    { effect, systemCode: code ?? String(status) },
  );
}

/** Throws a `BindingError` that quotes nothing of the answer. */
function valuesOf(text: string): Map<string, string> {
  let data: unknown;
  try {
    ({ data } = JSON.parse(text) as { data?: unknown });
  } catch {
    throw new BindingError("unavailable", "Kubernetes answered what is no JSON");
  }
  const entries = typeof data === "object" && data !== null ? Object.entries(data) : [];
  return new Map(
    entries.map(([key, value]) => [key, Buffer.from(String(value), "base64").toString("utf8")]),
  );
}

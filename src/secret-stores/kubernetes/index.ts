import { BindingError } from "../../errors.ts";
import { string } from "../../metadata/fields.ts";
import { defineSecretStore } from "../../secret-store.ts";
import { encodePath, member, restFailure, RestClient } from "../rest.ts";
import { kubernetesConfig } from "../../identity/kubernetes/config.ts";

/** Secrets of a Kubernetes cluster, by its API. */
export default defineSecretStore({
  name: "kubernetes",
  status: "beta",
  summary: "Reads secrets of a Kubernetes cluster by its API.",
  provedBy: ["a stand-in for the API server, written for the tests"],
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

  async open({ metadata: { defaultNamespace, kubeconfigPath }, env, memory, hide }) {
    const { url, tls, token, basic } = await kubernetesConfig(kubeconfigPath, env);
    const client = await RestClient.open(url, memory, tls);
    const authorization = async (): Promise<Record<string, string>> => {
      const bearer = await token();
      if (bearer !== undefined) hide(bearer);
      else if (basic !== undefined) hide(basic);
      const value = bearer === undefined ? basic : `Bearer ${bearer}`;
      return value === undefined ? {} : { authorization: value };
    };
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
        const answer = await client.ask({ path, headers: await authorization(), signal });
        if (answer.status === 404) return undefined;
        if (answer.status !== 200) {
          const said = member(answer.json, "message");
          const what = `Kubernetes, asked for the secret ${JSON.stringify(name)} of ${namespace},`;
          throw restFailure(what, answer, typeof said === "string" ? said : "");
        }
        const data = Object.entries(member(answer.json, "data") ?? {});
        return new Map(
          data.map(([key, value]) => [key, Buffer.from(String(value), "base64").toString("utf8")]),
        );
      },
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
  },
});

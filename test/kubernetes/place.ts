import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { Reloader } from "../../src/cli/reloader.ts";
import type { ComponentSpec } from "../../src/component.ts";
import { KubernetesLogin } from "../../src/identity/kubernetes/access.ts";
import { ClusterResources, type ClusterOptions } from "../../src/kubernetes/cluster-resources.ts";
import type { Findings } from "../../src/runtime/component/reload.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { folder } from "../resources/folder.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { KubernetesCluster } from "../servers/kubernetes-cluster.ts";
import { until } from "../until.ts";

let shared: ReturnType<typeof makeCertificates> | undefined;

/** Made once for a file of tests; call `remove` after all. */
export const certificates = {
  get all() {
    return (shared ??= makeCertificates());
  },
  remove() {
    shared?.remove();
  },
};

/** A stand-in for the API server, and a kubeconfig whose token and authority are files. */
export async function clusterPlace(from: "started" | "stopped" = "started") {
  const { server, ca } = certificates.all;
  const api =
    from === "started"
      ? await KubernetesCluster.start(server)
      : await KubernetesCluster.stopped(server);
  onTestFinished(() => api[Symbol.asyncDispose]());
  api.tokens.add("first-token-canary");
  const path = folder({ token: "first-token-canary\n", "ca.crt": ca });
  const lines = [
    ...["apiVersion: v1", "kind: Config", "current-context: here"],
    "contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}]",
    `clusters: [{name: c, cluster: {server: "${api.url}", certificate-authority: ca.crt}}]`,
    "users: [{name: u, user: {tokenFile: token}}]",
  ];
  const kubeconfig = join(path, "config");
  writeFileSync(kubeconfig, lines.join("\n"));
  return { api, path, kubeconfig };
}

type Applied = { readonly components: readonly ComponentSpec[]; readonly findings: Findings };

/** Reads the resources of the namespace `shop` for the app `orders`, and keeps what was to be applied. */
export async function reading(
  kubeconfig: string,
  options: Partial<ClusterOptions> = {},
  { until: wanted = "the start" }: { until?: "the start" | "nothing" } = {},
) {
  const logger = keepingLogger();
  const applied: Applied[] = [];
  const cluster = new ClusterResources({
    ...{ login: new KubernetesLogin(kubeconfig, {}), namespace: "shop", appId: "orders", logger },
    secretStore: { kubeconfigPath: kubeconfig },
    ...options,
  });
  const reloader = await Reloader.create({
    ...{ appId: "orders", resourcesPaths: [], configPaths: [], maxBodySize: 4 << 20, bindings },
    ...{ cluster, logger, needBindings: async () => undefined, onLoaded: () => undefined },
    async apply(components, findings = { problems: [], refused: false }) {
      applied.push({ components, findings });
      return { revision: 1, at: 0, outcome: "applied", components: [], problems: [] };
    },
  });
  onTestFinished(() => reloader.close());
  const starting = reloader.start();
  if (wanted === "the start") await starting;
  const names = () => applied.at(-1)?.components.map(({ name }) => name) ?? [];
  return {
    ...{ reloader, applied, logger, cluster, names },
    said: () =>
      logger.lines
        .filter(({ level }) => level !== "debug")
        .map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`),
    untilNames: (...wanted: string[]) =>
      until(() => JSON.stringify(names()) === JSON.stringify(wanted), {
        ...{ what: () => `${wanted.join()}; there is ${names().join()}`, within: 20_000 },
      }),
  };
}

/** The rest of a component that calls nothing at the start. */
export function file(rootPath: string, rest: object = {}): Record<string, unknown> {
  const metadata = [{ name: "rootPath", value: rootPath }];
  return { spec: { type: "bindings.localstorage", version: "v1", metadata }, ...rest };
}

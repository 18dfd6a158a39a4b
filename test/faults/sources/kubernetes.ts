import { randomUUID } from "node:crypto";
import { askKube, makeKubeNamespace, writeKubeconfig } from "../../servers/kube-client.ts";
import { startProxy } from "../../servers/proxy.ts";
import { until } from "../../until.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** The events of a namespace, each an object of its own, with nothing delivered again by a period. */
export const kubernetes: Source = {
  name: "kubernetes",
  bounds: { app: 64, runtime: 100_000, server: 100_000 },
  // A connection that is dead without a sign is noticed after 70 s, and what was made meanwhile is listed then.
  patience: 100_000,
  async opened({ folder, servers, ownServer }) {
    const server = await servers.kube(ownServer);
    const proxy = await startProxy(server);
    // A server that an earlier cell has ended may still be on its way.
    const isReady = () =>
      askKube(server, "GET", "/api/v1/namespaces/default").then(
        () => true,
        () => false,
      );
    await until(isReady, { what: "Kubernetes' API server", within: 60_000 });
    const place = await makeKubeNamespace(server, "faults");
    await place.allow();
    const at = (port: number): string =>
      writeKubeconfig(server, folder, `https://127.0.0.1:${port}`);
    return {
      component: {
        ...{ name: "events", type: "bindings.kubernetes" },
        metadata: {
          ...{ namespace: place.namespace, resyncPeriod: "0s" },
          kubeconfigPath: at(proxy.port),
        },
      },
      ordered: false,
      ...{ server, proxy },
      async send(event) {
        await place.put(randomUUID(), JSON.stringify(event));
      },
      credentials: {
        async revoke() {
          await place.deny();
          proxy.cut();
        },
        restore: place.allow,
      },
      unreachable: { kubeconfigPath: at(1) },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

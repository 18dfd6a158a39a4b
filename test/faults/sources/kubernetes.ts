import { randomUUID } from "node:crypto";
import { KubernetesEvents } from "../../servers/kubernetes-events.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** The events of a namespace of a stand-in, each an object of its own, with nothing delivered again by a period. */
export const kubernetes: Source = {
  name: "kubernetes",
  bounds: { app: 64, runtime: 100_000, server: 100_000 },
  async opened({ folder }) {
    const api = await KubernetesEvents.start();
    const proxy = await startProxy({ host: "127.0.0.1", port: api.port });
    const token = randomUUID();
    api.tokens.add(token);
    const kubeconfigPath = api.kubeconfig(folder, `token: ${token}`, proxy.port);
    return {
      component: {
        ...{ name: "events", type: "bindings.kubernetes" },
        metadata: { namespace: "shop", resyncPeriod: "0s", kubeconfigPath },
      },
      ordered: false,
      proxy,
      async send(event) {
        api.put("shop", randomUUID(), { message: JSON.stringify(event) });
      },
      credentials: {
        async revoke() {
          api.tokens.clear();
          api.tokens.add("another");
          api.cut();
        },
        async restore() {
          api.tokens.add(token);
        },
      },
      unreachable: { kubeconfigPath: api.kubeconfig(folder, `token: ${token}`, 1) },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await api[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

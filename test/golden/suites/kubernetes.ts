import { KubernetesEvents } from "../../servers/kubernetes-events.ts";
import type { Suite } from "../suite.ts";

export const kubernetes: Suite = {
  name: "kubernetes",
  servers: [],
  async prepare({ folder }) {
    const api = await KubernetesEvents.start();
    api.put("shop", "one", { message: "<first> & grün" });
    return {
      components: [
        {
          ...{ name: "events", type: "bindings.kubernetes" },
          // No resync comes in between.
          metadata: {
            ...{ namespace: "shop", resyncPeriod: "1h", kubeconfigPath: api.kubeconfig(folder) },
          },
        },
      ],
      calls: [{ name: "an input is no output", binding: "events", operation: "create" }],
      names: [[/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, "{uid}"]],
      inputs: ["events"],
      events: 3,
      async send() {
        while (api.watches === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        api.put("shop", "one", { message: "second", count: 2 });
        api.remove("shop", "one");
      },
      close: () => api[Symbol.asyncDispose](),
    };
  },
};

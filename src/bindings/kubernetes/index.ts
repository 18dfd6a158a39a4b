import { defineBinding } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { KubernetesLogin } from "../../identity/kubernetes/access.ts";
import { KubernetesClient, type Collection } from "../../kubernetes-client/client.ts";
import { duration, string } from "../../metadata/fields.ts";
import { EventWatcher } from "./event-watcher.ts";

const kubernetesFields = {
  namespace: string({
    description: "The namespace whose events are watched.",
    required: true,
    example: "shop",
  }),
  resyncPeriod: duration({
    description: "So often every event that is there is delivered again, as `update`. 0: never.",
    default: "10s",
    aliases: ["resyncPeriodInSec"],
  }),
  kubeconfigPath: string({
    description:
      "A kubeconfig, for use outside of a cluster; in a pod its service account is used. Default: `KUBECONFIG`, or `~/.kube/config`.",
    example: "/home/shop/.kube/config",
  }),
} as const;

const namespaceName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export default defineBinding({
  name: "kubernetes",
  status: "alpha",
  summary: "Calls the app for each change of the events of a Kubernetes namespace.",
  provedBy: [
    { system: "Kubernetes API server", kind: "real" },
    { system: "the API server of Kubernetes", kind: "stand-in" },
  ],
  metadata: kubernetesFields,

  check: async (metadata) => problemsOf([() => checkMetadata(metadata)]),

  async open({ metadata, hide, signal }) {
    checkMetadata(metadata);
    const login = new KubernetesLogin(metadata.kubeconfigPath, process.env);
    const client = new KubernetesClient({ login, hide });
    await client.ping(signal);
    return {
      client,
      events: eventsOf(metadata.namespace),
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]();
      },
    };
  },

  guarantee: {
    returned: "comes again with the next resync, as `update`",
    atLeastOnce:
      "a change that is undone while nothing reads is not seen, and an event that is gone is not delivered again",
    key: "the event's identity",
    shared: false,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime: "every event that is there comes again, as `add`: thousands (100000)",
      server: "the same, where the server is away for longer than 20 s",
    },
    lossy: true,
  },

  read({ client, events }, reading) {
    return new EventWatcher(client, events, reading.metadata.resyncPeriod, reading);
  },

  async examine({ client, events }, questions) {
    const { metadata, signal, ask } = questions;
    const { namespace } = metadata;
    const of = `namespace ${namespace}`;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
    const told = [
      ["authenticated", ""],
      ["exists", of],
    ] as const;
    const reason = await examineByRequest(questions, () => client.find(path, of, signal), told);
    if (reason === "unauthenticated") return;
    await ask("may read", events.name, async () => {
      await client.page(events, { limit: 1, from: "", signal });
    });
  },

  async ping({ client }, signal) {
    await client.ping(signal);
  },
});

function eventsOf(namespace: string): Collection {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  return { path, name: `the events of ${namespace}` };
}

/** Throws a `BindingError`. */
function checkMetadata({
  namespace,
  resyncPeriod,
}: {
  readonly namespace: string;
  readonly resyncPeriod: number;
}): void {
  if (namespace === "")
    throw new BindingError("invalid_argument", "namespace is missing in metadata");
  if (!namespaceName.test(namespace)) {
    const shown = JSON.stringify(namespace.slice(0, 100));
    throw new BindingError("invalid_argument", `${shown} is no name of a namespace`);
  }
  if (resyncPeriod < 0)
    throw new BindingError("invalid_argument", "resyncPeriod must not be below zero");
}

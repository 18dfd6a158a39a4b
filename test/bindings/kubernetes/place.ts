import type { KubernetesEvents } from "../../servers/kubernetes-events.ts";

type Metadata = Record<string, unknown> & { readonly uid?: string; readonly name?: string };
type Event = { readonly metadata: Metadata } & Record<string, unknown>;

/** A component of the stand-in, which delivers nothing again unless it is told to. */
export function place(api: KubernetesEvents, folder: string, more: Record<string, string> = {}) {
  const resync = "resyncPeriodInSec" in more ? {} : { resyncPeriod: "0s" };
  const kubeconfigPath = api.kubeconfig(folder);
  return { api, properties: { namespace: "shop", ...resync, kubeconfigPath, ...more } };
}

/** What events tell. */
export function changesOf(
  events: readonly { readonly data?: Uint8Array | undefined }[],
): { readonly event: string; readonly oldVal: Event; readonly newVal: Event }[] {
  return events.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString()));
}

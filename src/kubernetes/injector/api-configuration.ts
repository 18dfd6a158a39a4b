import type { KubernetesClient } from "../../kubernetes-client/client.ts";
import { statusFailure } from "../../kubernetes-client/status.ts";
import { isObject, objectAt, objectsAt, textAt } from "../inject/json.ts";
import type { WebhookConfiguration, Webhooks } from "./trust.ts";

const largest = 4 * 1024 * 1024;

/** A MutatingWebhookConfiguration of the API server. It is read and changed by its name; nothing else is asked for. */
export class ApiConfiguration implements WebhookConfiguration {
  readonly #client: KubernetesClient;
  readonly #name: string;
  readonly #path: string;

  constructor(client: KubernetesClient, name: string) {
    this.#client = client;
    this.#name = name;
    const collection = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    this.#path = `${collection}/${encodeURIComponent(name)}`;
  }

  async read(signal: AbortSignal): Promise<Webhooks> {
    const what = `reading the MutatingWebhookConfiguration ${this.#name}`;
    const { status, text } = await this.#client.get(this.#path, signal, largest);
    if (status !== 200) throw statusFailure(what, status, text);
    const object: unknown = JSON.parse(text);
    const metadata = isObject(object) ? objectAt(object, "metadata") : undefined;
    const resourceVersion = metadata && textAt(metadata, "resourceVersion");
    if (!isObject(object) || resourceVersion === undefined) throw statusFailure(what, status, text);
    const bundles = objectsAt(object, "webhooks").map((webhook) => {
      const encoded = textAt(objectAt(webhook, "clientConfig") ?? {}, "caBundle") ?? "";
      return Buffer.from(encoded, "base64").toString("utf8");
    });
    return { resourceVersion, bundles };
  }

  async write({ resourceVersion, bundles }: Webhooks, signal: AbortSignal): Promise<boolean> {
    const operations = [
      // Another version than the object has now is a conflict.
      { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion },
      ...bundles.map((bundle, index) => ({
        ...{ op: "add", path: `/webhooks/${index}/clientConfig/caBundle` },
        value: Buffer.from(bundle).toString("base64"),
      })),
    ];
    const { status, text } = await this.#client.patch(this.#path, operations, signal, largest);
    if (status === 409) return false;
    if (status !== 200)
      throw statusFailure(`changing the MutatingWebhookConfiguration ${this.#name}`, status, text);
    return true;
  }
}

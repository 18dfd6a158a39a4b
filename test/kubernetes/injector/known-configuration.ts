import type { WebhookConfiguration, Webhooks } from "../../../src/kubernetes/injector/trust.ts";

/** A configuration as the API server keeps it, of one webhook. */
export class KnownConfiguration implements WebhookConfiguration {
  bundle = "";
  /** What the next reads fail with. */
  trouble: string | undefined;
  /** So many writes find that another was faster. */
  conflicts = 0;
  #version = 1;

  async read(): Promise<Webhooks> {
    if (this.trouble !== undefined) throw new Error(this.trouble);
    return { resourceVersion: String(this.#version), bundles: [this.bundle] };
  }

  async write({ resourceVersion, bundles }: Webhooks): Promise<boolean> {
    if (this.conflicts > 0) {
      this.conflicts--;
      this.#version++;
    }
    if (resourceVersion !== String(this.#version)) return false;
    this.#version++;
    this.bundle = bundles[0] ?? "";
    return true;
  }
}

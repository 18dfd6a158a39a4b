import { createTestkit, type Testkit, type TestkitOptions } from "../../../src/testkit/index.ts";

/** Kits that are closed when the test has ended. */
export class Kits {
  readonly #open: Testkit[] = [];

  async of(options: TestkitOptions): Promise<Testkit> {
    const kit = await createTestkit(options);
    this.#open.push(kit);
    return kit;
  }

  async close(): Promise<void> {
    for (const kit of this.#open.splice(0)) await kit.close();
  }
}

/** A component as an object. */
export function component(name: string, type: string, metadata: Record<string, string> = {}) {
  return {
    apiVersion: "dapr.io/v1alpha1",
    kind: "Component",
    metadata: { name },
    spec: {
      ...{ type: type.includes(":") ? type.replace(":", ".") : `bindings.${type}`, version: "v1" },
      metadata: Object.entries(metadata).map(([key, value]) => ({ name: key, value })),
    },
  } as const;
}

/** An input whose attempts are a second apart, at most three. */
export const orders = component("orders", "rabbitmq", {
  ...{ host: "amqp://broker", queueName: "orders" },
  ...{ backOffPolicy: "constant", backOffDuration: "1s", backOffMaxRetries: "2" },
});

export const mail = component("mail", "smtp", {
  ...{ host: "mail.example", port: "587", emailFrom: "shop@example.com" },
  ...{ emailTo: "desk@example.com", subject: "News" },
});

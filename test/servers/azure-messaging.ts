import { join } from "node:path";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

export interface AzureMessagingOptions {
  /** Milliseconds of a lock. Default: Azure's minute. */
  readonly lockDuration?: number;
}

/** Our own stand-in of Azure Service Bus and Event Hubs, which keeps messages on disk. */
export const azureMessaging: ServerKind<AzureMessagingOptions, object, object> = {
  title: "the stand-in of Azure Service Bus and Event Hubs",
  variable: "AZURE_MESSAGING_URL",
  ports: 1,
  startTimeout: 20_000,
  greeting: {
    question: Buffer.from("AMQP\x03\x01\x00\x00", "latin1"),
    isAnswer: (answer) => answer.subarray(0, 4).toString() === "AMQP",
  },
  url: (host, port) => `sb://${host}:${port}`,
  parse: (value) => parseUrl(value, 5672),
  isInstalled: () => true,
  install: () => Promise.resolve(),
  async prepare(place, { lockDuration = 60_000 }) {
    const program = join(import.meta.dirname, "azure-messaging/namespace-process.ts");
    const port = String(portAt(place, 0));
    return [
      {
        program: process.execPath,
        arguments: [program, port, place.folder, String(lockDuration)],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};

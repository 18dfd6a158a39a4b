import { createRequire } from "node:module";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";

/** The account that every Azurite has, and its key, which is public. */
export const azuriteAccount = {
  name: "devstoreaccount1",
  key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
} as const;

export interface AzuriteOptions {
  /** Keeps its data in its folder, as of its last save: it saves every few seconds, and when it is asked to end. */
  readonly keepsData?: boolean;
}

/** Blobs of Azurite, the emulator of Azure Storage, by Microsoft. */
export const azuriteBlob = azurite("blob", "Azurite's blobs", "AZURITE_BLOB_URL");
/** Queues of Azurite. */
export const azuriteQueue = azurite("queue", "Azurite's queues", "AZURITE_QUEUE_URL");

function azurite(
  service: "blob" | "queue",
  title: string,
  variable: string,
): ServerKind<AzuriteOptions, object, object> {
  return {
    title,
    variable,
    ports: 1,
    startTimeout: 60_000,
    greeting: {
      question: Buffer.from(
        `GET /${azuriteAccount.name}?comp=list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      ),
      // Without a signature it refuses.
      isAnswer: (answer) => answer.includes("HTTP/1.1 4"),
    },
    url: (host, port) => `http://${host}:${port}`,
    parse: (value) => parseUrl(value, 10_000),
    isInstalled: () => true,
    install: () => Promise.resolve(),
    async prepare(place, { keepsData }) {
      const port = String(portAt(place, 0));
      return [
        {
          program: process.execPath,
          arguments: [
            createRequire(import.meta.url).resolve(`azurite/dist/src/${service}/main.js`),
            ...[`--${service}Host`, place.host, `--${service}Port`, port],
            ...["--silent", "--skipApiVersionCheck", "--disableTelemetry"],
            ...(keepsData ? ["--location", place.folder] : ["--inMemoryPersistence"]),
          ],
        },
      ];
    },
    extras: () => ({}),
    ownExtras: () => ({}),
  };
}

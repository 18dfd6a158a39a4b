import { expect } from "vitest";
import blobStorage from "../../../../src/bindings/azure/azure.blobstorage/index.ts";
import type { Source } from "../../contract.ts";
import { makeContainer } from "../blob-container.ts";
import { makeQueue } from "../queue-source.ts";

type Server = { readonly url: string };

/** What an event tells of a blob, by the names of Microsoft's reference. */
export type Told = {
  readonly container: string;
  readonly key: string;
  readonly data?: object;
  readonly type?: string;
};

/** An event of Event Grid's own schema. */
export function ownEvent({ container, key, data, type }: Told): object {
  return {
    topic: "/subscriptions/s/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/shop",
    subject: `/blobServices/default/containers/${container}/blobs/${key}`,
    eventType: type ?? "Microsoft.Storage.BlobCreated",
    eventTime: "2026-11-30T06:00:00.9584103Z",
    id: "831e1650-001e-001b-66ab-eeb76e069631",
    data: dataOf(container, key, data),
    ...{ dataVersion: "", metadataVersion: "1" },
  };
}

/** The same in the schema of CloudEvents 1.0. */
export function cloudEvent({ container, key, data, type }: Told): object {
  return {
    source: "/subscriptions/s/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/shop",
    subject: `/blobServices/default/containers/${container}/blobs/${key}`,
    type: type ?? "Microsoft.Storage.BlobCreated",
    time: "2026-11-30T06:00:00.9584103Z",
    id: "831e1650-001e-001b-66ab-eeb76e069631",
    data: dataOf(container, key, data),
    specversion: "1.0",
  };
}

function dataOf(container: string, key: string, more: object = {}): object {
  const path = key.split("/").map(encodeURIComponent).join("/");
  return {
    ...{ api: "PutBlob", requestId: "831e1650-001e-001b-66ab-eeb76e000000" },
    ...{ contentType: "application/octet-stream", blobType: "BlockBlob" },
    url: `https://shop.blob.core.windows.net/${container}/${path}`,
    sequencer: "00000000000004420000000000028963",
    storageDiagnostics: { batchId: "b68529f3-68cd-4744-baa4-3c0498ec19f0" },
    ...more,
  };
}

/** As Event Grid writes it to a queue. */
export function inBase64(event: object): string {
  return Buffer.from(JSON.stringify(event)).toString("base64");
}

/** A container, and a queue that is told of its blobs as Event Grid would tell it. */
export async function makeNotified(blobs: Server, queues: Server) {
  const { container, properties } = await makeContainer(blobs);
  const queue = await makeQueue(queues);
  const { containerName } = container;
  /** Stores a blob; resolves to what its event says of it. */
  const store = async (key: string, body: string | Uint8Array): Promise<Told> => {
    const bytes = Buffer.from(body);
    const { etag = "" } = await container.getBlockBlobClient(key).upload(bytes, bytes.length);
    const data = { eTag: etag.replaceAll('"', ""), contentLength: bytes.length };
    return { container: containerName, key, data };
  };
  return {
    ...{ container, queue, store },
    properties: {
      ...properties,
      ...{ direction: "input", notificationQueue: queue.queueName, inlineLimit: "2Mi" },
      ...{ notificationEndpoint: queues.url, pollInterval: "50ms" },
    },
    tell: async (text: string): Promise<void> => {
      await queue.sendMessage(text, { messageTimeToLive: -1 });
    },
    /** Messages that are in the queue, those that are out among them. */
    count: async (): Promise<number> => (await queue.getProperties()).approximateMessagesCount ?? 0,
  };
}

export function notificationSource(blobs: Server, queues: Server): Source {
  return {
    binding: blobStorage,
    largest: 1024 * 1024,
    async place() {
      const place = await makeNotified(blobs, queues);
      let sent = 0;
      const put = async (data: Uint8Array): Promise<string> => {
        const key = `in/${++sent} ü+%.bin`;
        const told = await place.store(key, data);
        await place.tell(inBase64(sent % 2 === 0 ? cloudEvent(told) : ownEvent(told)));
        return key;
      };
      return {
        properties: { ...place.properties, visibilityTimeout: "2s" },
        async send(data) {
          await put(data);
        },
        async sendMarked() {
          const key = await put(Buffer.from("x"));
          const { etag } = await place.container.getBlobClient(key).getProperties();
          return ({ metadata, id }) => {
            const bucket = place.container.containerName;
            expect(metadata).toEqual({
              ...{ bucket, key, etag, size: "1", inline: "true" },
              contentType: "application/octet-stream",
              time: "2026-11-30T06:00:00.9584103Z",
            });
            expect(id).toBe(`${bucket}/${key}:${etag ?? ""}`);
          };
        },
      };
    },
  };
}

import {
  inBase64,
  makeNotified,
  ownEvent,
} from "../../bindings/azure/azure.blobstorage/notification-source.ts";
import { startProxy } from "../../servers/proxy.ts";
import { together } from "../networks.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { endedForKilled } from "./azurite.ts";

/** A container that tells a queue of its blobs. Faults of the network are those of both servers. */
export const blobStorageNotified: Source = {
  name: "azure.blobstorage-notified",
  bounds: { app: 64, runtime: 64 + 16, server: 64 },
  async opened(kit) {
    const blobs = await kit.servers.azuriteBlob(false);
    const queues = await kit.servers.azuriteQueue(kit.ownServer);
    const toBlobs = await startProxy(blobs);
    const toQueues = await startProxy(queues);
    const place = await makeNotified(blobs, queues);
    const { send, close } = sender(async () => ({
      async send(event) {
        const told = await place.store(`in/${event.uuid}`, JSON.stringify(event));
        await place.tell(inBase64(ownEvent(told)));
      },
      close: () => Promise.resolve(),
    }));
    return {
      component: {
        ...{ name: "blobs", type: "bindings.azure.blobstorage" },
        metadata: {
          ...place.properties,
          endpoint: `http://${toBlobs.host}:${toBlobs.port}`,
          notificationEndpoint: `http://${toQueues.host}:${toQueues.port}`,
          ...{ prefix: "in/", visibilityTimeout: "5s", pollInterval: "100ms" },
        },
      },
      ordered: false,
      server: endedForKilled(queues),
      send,
      proxy: together(toBlobs, toQueues),
      unreachable: { notificationEndpoint: `http://${unreachableAddress}` },
      async remains() {
        const left = await place.count();
        return left === 0 ? undefined : `${left} messages are still in the queue`;
      },
      async [Symbol.asyncDispose]() {
        await close();
        await toBlobs[Symbol.asyncDispose]();
        await toQueues[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

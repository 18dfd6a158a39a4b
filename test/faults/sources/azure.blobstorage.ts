import { blobProperties, makeContainer } from "../../bindings/azure/blob-container.ts";
import { startProxy } from "../../servers/proxy.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { endedForKilled } from "./azurite.ts";

/** A container of Azurite that is listed. */
export const azureBlobStorage: Source = {
  name: "azure.blobstorage",
  bounds: { app: 64, runtime: 128, server: 128 },
  async opened(kit) {
    const server = await kit.servers.azuriteBlob(kit.ownServer);
    const proxy = await startProxy(server);
    const { container } = await makeContainer(server);
    const { send, close } = sender(async () => ({
      async send(event) {
        const text = JSON.stringify(event);
        const length = Buffer.byteLength(text);
        await container.getBlockBlobClient(`in/${event.uuid}`).upload(text, length);
      },
      close: () => Promise.resolve(),
    }));
    const at = (place: string) =>
      blobProperties({ url: `http://${place}` }, container.containerName);
    return {
      component: {
        ...{ name: "blobs", type: "bindings.azure.blobstorage" },
        metadata: {
          ...at(`${proxy.host}:${proxy.port}`),
          ...{ direction: "input", onHandled: "delete", prefix: "in/", pollInterval: "200ms" },
        },
      },
      ordered: false,
      server: endedForKilled(server),
      ...{ proxy, send },
      unreachable: at(unreachableAddress),
      async remains() {
        let left = 0;
        for await (const _ of container.listBlobsFlat()) left++;
        return left === 0 ? undefined : `${left} blobs are not put away`;
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

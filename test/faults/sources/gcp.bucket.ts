import { makeBucket, objectsIn, putObject } from "../../bindings/gcp/gcp.bucket/make-bucket.ts";
import { startProxy } from "../../servers/proxy.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A bucket that is listed; fake-gcs-server keeps its objects in memory, so that it is not killed. */
export const gcpBucket: Source = {
  name: "gcp.bucket",
  bounds: { app: 64, runtime: 128, server: 0, serverAtEnd: 128 },
  async opened(kit) {
    const server = await kit.servers.fakeGcs(kit.ownServer);
    const proxy = await startProxy(server);
    const bucket = await makeBucket(server);
    const { send, close } = sender(async () => ({
      send: (event) => putObject(server.url, bucket, `in/${event.uuid}`, JSON.stringify(event)),
      close: async () => undefined,
    }));
    return {
      component: {
        ...{ name: "bucket", type: "bindings.gcp.bucket" },
        metadata: {
          ...{ bucket, projectID: "p" },
          endpoint: `http://${proxy.host}:${proxy.port}`,
          ...{ direction: "input", onHandled: "delete", prefix: "in/", pollInterval: "200ms" },
        },
      },
      ordered: false,
      ...{ proxy, send },
      unreachable: { endpoint: `http://${unreachableAddress}` },
      async remains() {
        const left = (await objectsIn(server.url, bucket)).length;
        return left === 0 ? undefined : `${left} objects are not put away`;
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

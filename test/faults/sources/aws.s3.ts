import { makeBucket } from "../../bindings/aws/aws.s3/moto-bucket.ts";
import { startProxy } from "../../servers/proxy.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A bucket that is listed; moto keeps its objects in memory, so that it is not killed. */
export const s3: Source = {
  name: "aws.s3",
  bounds: { app: 64, runtime: 128, server: 0, serverAtEnd: 128 },
  async opened(kit) {
    const server = await kit.servers.moto(kit.ownServer);
    const proxy = await startProxy(server);
    const bucket = await makeBucket(server);
    const { send, close } = sender(async () => ({
      send: (event) => bucket.put(`in/${event.uuid}`, JSON.stringify(event)),
      close: async () => undefined,
    }));
    return {
      component: {
        ...{ name: "bucket", type: "bindings.aws.s3" },
        metadata: {
          ...bucket.properties,
          endpoint: `http://${proxy.host}:${proxy.port}`,
          ...{ direction: "input", onHandled: "delete", prefix: "in/", pollInterval: "200ms" },
        },
      },
      ordered: false,
      ...{ proxy, send },
      unreachable: { endpoint: `http://${unreachableAddress}` },
      async remains() {
        const left = (await bucket.keys()).length;
        return left === 0 ? undefined : `${left} objects are not put away`;
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

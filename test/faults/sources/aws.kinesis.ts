import { makeStream } from "../../bindings/aws/aws.kinesis/contract-source.ts";
import { startProxy } from "../../servers/proxy.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A stream of two shards, and its lease table, both on disk. */
export const kinesis: Source = {
  name: "aws.kinesis",
  // What the app has, and 50 events a second between two checkpoints. What was handled the process knows while it lives.
  bounds: { app: 64, runtime: 64 + 2 * 50, server: 64, serverAtEnd: 64 + 2 * 50 },
  async opened(kit) {
    const server = await kit.servers.kinesalite(kit.ownServer);
    const proxy = await startProxy(server);
    const stream = await makeStream(server, 2);
    const { send, close } = sender(async () => ({
      async send(event) {
        await stream.put(JSON.stringify(event), event.key);
      },
      close: async () => undefined,
    }));
    return {
      component: {
        ...{ name: "stream", type: "bindings.aws.kinesis" },
        metadata: {
          ...stream.properties,
          endpoint: `http://${proxy.host}:${proxy.port}`,
          // The usual 10 s would only make each cell longer.
          ...{ direction: "input", leaseDuration: "4s" },
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { endpoint: `http://${unreachableAddress}` },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

import { randomUUID } from "node:crypto";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A queue, read with a token of its own. */
export const kubemq: Source = {
  name: "kubemq",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const broker = await kit.servers.kubemq(kit.ownServer);
    const { server } = broker;
    const proxy = await startProxy(server);
    const channel = uniqueName("faults");
    const token = randomUUID();
    await broker.allow(token);
    const { send, close } = sender(async () => {
      const client = kubemqClient(server, "owner");
      return {
        send: (event) => client.send(channel, JSON.stringify(event)),
        close: () => client.close(),
      };
    });
    return {
      component: {
        ...{ name: "queue", type: "bindings.kubemq" },
        metadata: {
          ...{ address: `${proxy.host}:${proxy.port}`, channel, authToken: token },
          direction: "input",
        },
      },
      ordered: false,
      ...{ server, proxy, send },
      credentials: { revoke: () => broker.deny(token), restore: () => broker.allow(token) },
      unreachable: { address: unreachableAddress },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

import { connect } from "@nats-io/transport-node";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

const ackWait = 5;

/** A stream on disk, read by a durable consumer in the order of each subject. */
export const nats: Source = {
  name: "nats",
  bounds: {
    ...{ app: 64, runtime: 64 },
    // A server that is killed forgets the acknowledgements of its last moment, of 50 events a second.
    server: 64 + 50,
  },
  async opened(kit) {
    const node = await kit.servers.nats(kit.ownServer);
    const { server } = node;
    const proxy = await startProxy(server);
    const stream = uniqueName("FAULTS").replaceAll(/[^\w-]/g, "-");
    const address = `${server.host}:${server.port}`;
    const owner = await connect({ servers: address });
    const config = { name: stream, subjects: [`${stream}.>`], storage: "file" };
    await owner.request(`$JS.API.STREAM.CREATE.${stream}`, JSON.stringify(config));
    await owner.close();
    const { send, close } = sender(async () => {
      const client = await connect({ servers: address, reconnect: false, timeout: 4_000 });
      return {
        async send(event) {
          const answer = await client.request(`${stream}.${event.key}`, JSON.stringify(event), {
            timeout: 5_000,
          });
          if (answer.json<{ seq?: number }>().seq === undefined)
            throw new Error(`not stored: ${answer.string()}`);
        },
        close: () => client.close(),
      };
    });
    const user = uniqueName("user");
    if (kit.credentials) await node.addUser(user, "right");
    return {
      component: {
        ...{ name: "stream", type: "bindings.nats" },
        metadata: {
          servers: `nats://${kit.credentials ? `${user}:right@` : ""}${proxy.host}:${proxy.port}`,
          ...{ stream, consumer: "faults", startFrom: "oldest", direction: "input" },
          ackWait: `${ackWait}s`,
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { servers: `nats://${unreachableAddress}` },
      credentials: {
        revoke: () => node.removeUser(user),
        restore: () => node.addUser(user, "right"),
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

import { Redis } from "ioredis";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A stream read by one consumer of a group, in the order of a field. */
export const redisStreams: Source = {
  name: "redis.streams",
  bounds: {
    ...{ app: 64, runtime: 64 },
    // A server that is killed forgets what it had not written, of 50 events a second.
    server: 64 + 50,
  },
  async opened(kit) {
    const server = await kit.servers.redis(kit.ownServer);
    const proxy = await startProxy(server);
    const stream = uniqueName("faults");
    const user = uniqueName("user");
    const { host, port } = server;
    const admin = new Redis({ host, port });
    admin.on("error", () => {});
    const grant = ["ACL", "SETUSER", user, "reset", "on", ">right", "allkeys", "+@all"] as const;
    if (kit.credentials) await admin.call(...grant);
    const { send, close } = sender(async () => {
      // Without repeating, for that would add an entry again which the server may have.
      const client = new Redis({ host, port, retryStrategy: null, maxRetriesPerRequest: 0 });
      client.on("error", () => {});
      return {
        send: async (event) =>
          void (await client.xadd(stream, "*", "key", event.key, "data", JSON.stringify(event))),
        close: async () => client.disconnect(),
      };
    });
    return {
      component: {
        ...{ name: "entries", type: "bindings.redis.streams" },
        metadata: {
          ...{ redisHost: `${proxy.host}:${proxy.port}`, direction: "input", stream },
          ...{ consumerGroup: "faults", consumer: "one", startFrom: "oldest" },
          ...{ keyField: "key", claimAfter: "5s" },
          ...(kit.credentials ? { redisUsername: user, redisPassword: "right" } : {}),
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { redisHost: unreachableAddress },
      credentials: {
        async revoke() {
          await admin.call("ACL", "SETUSER", user, "off");
          proxy.cut();
        },
        async restore() {
          await admin.call(...grant);
        },
      },
      async [Symbol.asyncDispose]() {
        await close();
        admin.disconnect();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

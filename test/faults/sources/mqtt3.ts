import { connectAsync } from "mqtt";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, type OpenedSource, type Source } from "../opened-source.ts";

/** A topic read with QoS 1 by a session that the broker keeps. */
export const mqtt3: Source = {
  name: "mqtt3",
  // What the broker sends without waiting for acknowledgements: Mosquitto 20, but after reconnects 2.0.11 miscounts
  // (45 were seen), so it is `maxInFlight` that bounds it.
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const mosquitto = await kit.servers.mosquitto(kit.ownServer);
    const { server } = mosquitto;
    const user = uniqueName("user");
    if (kit.credentials) await mosquitto.setPassword(user, "right");
    const login = kit.credentials ? `${user}:right@` : "";
    const proxy = await startProxy(server);
    const topic = uniqueName("faults");
    const consumerID = uniqueName("shop");
    // Who has never been there gets nothing: the session is made before the first event.
    const first = await connectAsync(server.url, {
      ...{ clientId: `${consumerID}-consumer`, clean: false, protocolVersion: 4 },
    });
    await first.subscribeAsync(topic, { qos: 1 });
    await first.endAsync();
    const { send, close } = sender(async () => {
      // Without reconnecting, for that would send an event again which the broker may have.
      const client = await connectAsync(server.url, { reconnectPeriod: 0, connectTimeout: 4_000 });
      client.on("error", () => {});
      return {
        send: async (event) =>
          void (await client.publishAsync(topic, JSON.stringify(event), { qos: 1 })),
        close: () => client.endAsync(true),
      };
    });
    return {
      component: {
        ...{ name: "sensors", type: "bindings.mqtt3" },
        metadata: {
          url: `mqtt://${login}${proxy.host}:${proxy.port}`,
          ...{ topic, consumerID, direction: "input", keepAlive: "2s" },
        },
      },
      ordered: false,
      ...{ server, proxy, send },
      credentials: {
        async revoke() {
          await mosquitto.setPassword(user, "wrong");
          proxy.cut();
        },
        restore: () => mosquitto.setPassword(user, "right"),
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

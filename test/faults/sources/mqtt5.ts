import { connectAsync } from "mqtt";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, type OpenedSource, type Source } from "../opened-source.ts";

/** A topic read with that quality of service by a session that the server keeps. */
const mqtt5With = (qos: 1 | 2): Source => ({
  name: qos === 1 ? "mqtt5" : "mqtt5-qos2",
  // The server sends up to `receiveMaximum`, which is twice `maxInFlight`, or less: Mosquitto 20, but after reconnects
  // 2.0.11 miscounts. What waits for a retry counts too, so that it is `maxInFlight` that bounds what is handled twice.
  // With QoS 2 a cut causes none: what the app has handled is known until the server has noted it.
  bounds: { app: 64, runtime: 64, server: qos === 1 ? 64 : 0, serverAtEnd: 64 },
  async opened(kit) {
    const mosquitto = await kit.servers.mosquitto(kit.ownServer);
    const { server } = mosquitto;
    const user = uniqueName("user");
    if (kit.credentials) await mosquitto.setPassword(user, "right");
    const login = kit.credentials ? { username: user, password: "right" } : {};
    const proxy = await startProxy(server);
    const topic = uniqueName("faults");
    const consumerID = uniqueName("shop");
    // Who has never been there gets nothing: the session is made before the first event.
    const first = await connectAsync(server.url, {
      ...{ clientId: `${consumerID}-consumer`, clean: false, protocolVersion: 5 },
      properties: { sessionExpiryInterval: 24 * 3600 },
    });
    await first.subscribeAsync(topic, { qos });
    await first.endAsync();
    const { send, close } = sender(async () => {
      // Without reconnecting, for that would send an event again which the server may have.
      const client = await connectAsync(server.url, {
        ...{ reconnectPeriod: 0, connectTimeout: 4_000, protocolVersion: 5 },
      });
      client.on("error", () => {});
      return {
        send: async (event) =>
          void (await client.publishAsync(topic, JSON.stringify(event), { qos })),
        close: () => client.endAsync(true),
      };
    });
    return {
      component: {
        ...{ name: "sensors", type: "bindings.mqtt5" },
        metadata: {
          ...{ url: `mqtt://${proxy.host}:${proxy.port}`, topic, consumerID, ...login },
          ...{ direction: "input", keepAlive: "2s", qos: String(qos) },
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
});

export const mqtt5 = mqtt5With(1);
export const mqtt5Qos2 = mqtt5With(2);

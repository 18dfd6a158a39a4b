import rhea from "rhea";
import type { EventContext } from "rhea";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/** A queue with groups, which are handled in order, of durable messages that the broker accepted. */
export const amqp: Source = {
  name: "amqp",
  // A server that is killed forgets the settlements of its last moment, of 50 events a second.
  bounds: { app: 64, runtime: 64, server: 64 + 50 },
  async opened(kit) {
    const server = await kit.servers.artemis(kit.ownServer);
    const proxy = await startProxy(server);
    const address = uniqueName("faults");
    const user = kit.credentials ? uniqueName("user") : "admin";
    const password = kit.credentials ? "right" : "admin";
    if (kit.credentials) await server.setPassword(user, password);
    const { send, close } = sender(() => connectSender(server.port, address));
    const url = (place: string): string => `amqp://${user}:${password}@${place}`;
    return {
      component: {
        ...{ name: "jobs", type: "bindings.amqp" },
        metadata: {
          url: url(`${proxy.host}:${proxy.port}`),
          ...{ address, capability: "queue", direction: "input", idleTimeout: "4s" },
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { url: url(unreachableAddress) },
      credentials: {
        async revoke() {
          await server.setPassword(user, "wrong");
          proxy.cut();
        },
        restore: () => server.setPassword(user, "right"),
      },
      async [Symbol.asyncDispose]() {
        await close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

async function connectSender(port: number, address: string) {
  const connection = rhea.create_container().create_connection({
    ...{ host: "127.0.0.1", port, username: "admin", password: "admin", reconnect: false },
  });
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  connection.on("disconnected", () => gone.reject(new Error("the connection was lost")));
  connection.on("connection_error", () => gone.reject(new Error("the connection was refused")));
  connection.on("error", (error: Error) => gone.reject(error));
  connection.connect();
  const link = connection.open_sender({ target: { address, capabilities: ["queue"] } });
  const ready = Promise.withResolvers<void>();
  link.once("sendable", () => ready.resolve());
  await Promise.race([ready.promise, gone.promise]);
  const waiting = new Map<object, PromiseWithResolvers<void>>();
  const answer = (context: EventContext, accepted: boolean): void => {
    const one = waiting.get(context.delivery as object);
    waiting.delete(context.delivery as object);
    if (accepted) one?.resolve();
    else one?.reject(new Error("the message was not accepted"));
  };
  link.on("accepted", (context) => answer(context, true));
  for (const name of ["rejected", "released"]) link.on(name, (context) => answer(context, false));
  return {
    async send(event: { readonly key: string; readonly uuid: string }) {
      const message = {
        ...{ durable: true, group_id: event.key, message_id: event.uuid },
        body: rhea.message.data_section(Buffer.from(JSON.stringify(event))),
      };
      const one = Promise.withResolvers<void>();
      waiting.set(link.send(message), one);
      await Promise.race([one.promise, gone.promise]);
    },
    async close() {
      connection.close();
      connection.on("connection_close", () => gone.reject(new Error("it was closed")));
      await gone.promise.catch(() => {});
    },
  };
}

import { createHmac } from "node:crypto";
import rhea from "rhea";
import type { EventContext, Message } from "rhea";
import type { OracleEvent } from "../oracle.ts";

export const azureKey = { name: "RootManageSharedAccessKey", value: "c3RhbmQtaW4gb2YgYSBrZXk=" };

/** Another client of a namespace, which sends events to one entity and waits until each was accepted. */
export async function connectAzureSender<Event = OracleEvent>(
  port: number,
  entity: string,
  messageOf: (event: Event) => object,
) {
  const connection = rhea.create_container().create_connection({
    ...{ host: "127.0.0.1", port, username: "sender", reconnect: false },
  });
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  connection.on("disconnected", () => gone.reject(new Error("the connection was lost")));
  connection.on("connection_error", () => gone.reject(new Error("the connection was refused")));
  connection.on("error", (error: Error) => gone.reject(error));
  connection.connect();
  const until = Math.ceil(Date.now() / 1000) + 86_400;
  const resource = encodeURIComponent(`sb://127.0.0.1/${entity}`);
  const signed = createHmac("sha256", azureKey.value).update(`${resource}\n${until}`);
  const sig = encodeURIComponent(signed.digest("base64"));
  const claim = connection.open_sender("$cbs");
  const entered = Promise.withResolvers<void>();
  connection.open_receiver({ source: "$cbs", target: { address: "cbs" } }).on("message", () => {
    entered.resolve();
  });
  claim.once("sendable", () =>
    claim.send({
      message_id: "1",
      reply_to: "cbs",
      application_properties: {
        ...{ operation: "put-token", type: "servicebus.windows.net:sastoken" },
        name: `sb://127.0.0.1/${entity}`,
      },
      body: `SharedAccessSignature sr=${resource}&sig=${sig}&se=${until}&skn=${azureKey.name}`,
    }),
  );
  await Promise.race([entered.promise, gone.promise]);
  const link = connection.open_sender(entity);
  const ready = Promise.withResolvers<void>();
  link.once("sendable", () => ready.resolve());
  await Promise.race([ready.promise, gone.promise]);
  const waiting = new Map<object, PromiseWithResolvers<void>>();
  const answer = ({ delivery }: EventContext, accepted: boolean): void => {
    const one = waiting.get(delivery as object);
    waiting.delete(delivery as object);
    if (accepted) one?.resolve();
    else one?.reject(new Error("the message was not accepted"));
  };
  link.on("accepted", (context) => answer(context, true));
  for (const name of ["rejected", "released"]) link.on(name, (context) => answer(context, false));
  return {
    async send(event: Event) {
      const one = Promise.withResolvers<void>();
      waiting.set(link.send(messageOf(event) as Message), one);
      await Promise.race([one.promise, gone.promise]);
    },
    async close() {
      connection.close();
      connection.on("connection_close", () => gone.reject(new Error("it was closed")));
      await gone.promise.catch(() => {});
    },
  };
}

/** A connection string for a place, without TLS. */
export function azureConnectionString(place: string, name = azureKey.name): string {
  return `Endpoint=sb://${place};SharedAccessKeyName=${name};SharedAccessKey=${azureKey.value};UseDevelopmentEmulator=true`;
}

/** Keys of a namespace that can be revoked and restored. */
export async function controlKey(
  port: number,
  change: { readonly revoke: string } | { readonly restore: string },
): Promise<void> {
  const connection = rhea.create_container().create_connection({
    ...{ host: "127.0.0.1", port, username: "control", reconnect: false },
  });
  const done = Promise.withResolvers<void>();
  connection.on("disconnected", () => done.reject(new Error("the connection was lost")));
  connection.connect();
  const link = connection.open_sender("$control");
  link.once("sendable", () => link.send({ application_properties: change, body: "" }));
  link.on("accepted", () => done.resolve());
  await done.promise;
  connection.removeAllListeners("disconnected");
  connection.on("disconnected", () => {});
  connection.close();
}

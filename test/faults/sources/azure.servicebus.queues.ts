import rhea from "rhea";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { azureConnectionString, azureKey, connectAzureSender, controlKey } from "./azure-sender.ts";

/** A queue whose messages have no order among each other. */
export const servicebusQueues: Source = source("azure.servicebus.queues", false);
/** A queue with sessions, which are read in order. */
export const servicebusSessions: Source = source("azure.servicebus.queues-sessions", true);

function source(name: string, bySession: boolean): Source {
  return {
    name,
    bounds: { app: 64, runtime: 64, server: 128 },
    async opened(kit) {
      const server = await kit.servers.azureMessaging(kit.ownServer);
      const proxy = await startProxy(server);
      const queueName = uniqueName(bySession ? "sessions" : "orders");
      const keyName = `${azureKey.name}-${uniqueName("key")}`;
      const { send, close } = sender(() =>
        connectAzureSender(server.port, queueName, (event) => ({
          ...{ message_id: event.uuid, ...(bySession && { group_id: event.key }) },
          body: rhea.message.data_section(Buffer.from(JSON.stringify(event))),
        })),
      );
      return {
        component: {
          ...{ name: "jobs", type: "bindings.azure.servicebus.queues" },
          metadata: {
            connectionString: azureConnectionString(`${proxy.host}:${proxy.port}`, keyName),
            ...{ queueName, direction: "input", maxActiveMessages: "64" },
            ...{ maxConcurrentHandlers: "0", timeoutInSec: "5", idleTimeout: "4s" },
            ...(bySession && {
              ...{ requireSessions: "true", maxConcurrentSessions: "32" },
              sessionIdleTimeoutInSec: "1",
            }),
          },
        },
        ordered: bySession,
        ...{ server, proxy, send },
        unreachable: { connectionString: azureConnectionString(unreachableAddress) },
        credentials: {
          async revoke() {
            await controlKey(server.port, { revoke: keyName });
            proxy.cut();
          },
          restore: () => controlKey(server.port, { restore: keyName }),
        },
        async [Symbol.asyncDispose]() {
          await close();
          await proxy[Symbol.asyncDispose]();
        },
      } satisfies OpenedSource;
    },
  };
}

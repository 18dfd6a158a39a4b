import { connect } from "amqplib";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { unreachableAddress, sender, type OpenedSource, type Source } from "../opened-source.ts";

/** A durable queue with persistent messages, sent with confirms. */
export const rabbitmq: Source = rabbitmqSource("rabbitmq", {}, false);

/** The same with one message at a time, which are to be handled in the queue's order. */
export const rabbitmqOrdered: Source = rabbitmqSource("rabbitmq-1", { prefetchCount: "1" }, true);

/**
 * A quorum queue with a delivery limit: each connection that breaks counts against it, for all that was handed out. What is
 * given up would be missing.
 */
export const rabbitmqQuorum: Source = rabbitmqSource(
  "rabbitmq-quorum",
  { queueType: "quorum", deliveryLimit: "20" },
  false,
  { "x-queue-type": "quorum", "x-delivery-limit": 20 },
);

function rabbitmqSource(
  name: string,
  metadata: Record<string, string>,
  ordered: boolean,
  declared: Readonly<Record<string, unknown>> = {},
): Source {
  const unacknowledged = ordered ? 1 : 64;
  return {
    name,
    bounds: {
      ...{ app: unacknowledged, runtime: unacknowledged },
      // A server that is killed forgets the acknowledgements of its last moment, of 50 events a second.
      server: unacknowledged + 50,
    },
    async opened(kit) {
      const server = await kit.servers.rabbitmq(kit.ownServer);
      const proxy = await startProxy(server);
      const queueName = uniqueName("faults");
      if (Object.keys(declared).length > 0) {
        const connection = await connect(server.url);
        const channel = await connection.createChannel();
        await channel.assertQueue(queueName, { durable: true, arguments: declared });
        await connection.close();
        // RabbitMQ 3.10 writes down a new quorum queue's term seconds later. Killed before, it starts with a queue that
        // has no leader, for ever: whoever reads it waits, by any client. The cells are about queues that are there.
        await server.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].");
      }
      const user = kit.credentials ? uniqueName("user") : "guest";
      const password = kit.credentials ? "right" : "guest";
      if (kit.credentials) {
        await server.ctl("add_user", user, password);
        await server.ctl("set_permissions", user, ".*", ".*", ".*");
      }
      const { send, close } = sender(async () => {
        const connection = await connect(server.url);
        connection.on("error", () => {});
        const channel = await connection.createConfirmChannel();
        channel.on("error", () => {});
        await channel.assertQueue(queueName, { durable: true, arguments: declared });
        return {
          async send(event) {
            const content = Buffer.from(JSON.stringify(event));
            await new Promise<void>((resolve, reject) => {
              channel.sendToQueue(queueName, content, { persistent: true }, (error: unknown) =>
                error ? reject(error) : resolve(),
              );
            });
          },
          close: () => connection.close(),
        };
      });
      return {
        component: {
          ...{ name: "jobs", type: "bindings.rabbitmq" },
          metadata: {
            host: `amqp://${user}:${password}@${proxy.host}:${proxy.port}`,
            ...{ queueName, durable: "true", direction: "input", ...metadata },
          },
        },
        ...{ ordered, server, proxy, send },
        unreachable: { host: `amqp://${user}:${password}@${unreachableAddress}` },
        credentials: {
          async revoke() {
            await server.ctl("change_password", user, "wrong");
            proxy.cut();
          },
          async restore() {
            await server.ctl("change_password", user, "right");
          },
        },
        async [Symbol.asyncDispose]() {
          await close();
          await proxy[Symbol.asyncDispose]();
        },
      } satisfies OpenedSource;
    },
  };
}

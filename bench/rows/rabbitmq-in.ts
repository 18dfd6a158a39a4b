import { connect } from "amqplib";
import { uniqueName } from "../../test/servers/unique-name.ts";
import type { EventSource } from "./event-source.ts";
import { eventContender } from "./events.ts";
import type { Bench, Row } from "./row.ts";

const latencyRate = 1000;
const prefetch = 100;

/** A durable queue of persistent messages, each acknowledged. */
export const rabbitmqInRow: Row = {
  name: "rabbitmq-in",
  title: "RabbitMQ → app, prefetch 100",
  latencyRate,
  contenders: ["cufflink-unary", "cufflink-stream", "before", "daprd", "floor"],
  requirements: [
    { measure: "rate", contender: "cufflink-unary", of: "daprd", atLeast: 4.5, aim: 5 },
    { measure: "rate", contender: "cufflink-stream", of: "daprd", atLeast: 3, aim: 4 },
    { measure: "rate", contender: "cufflink-stream", of: "before", atLeast: 0.95 },
  ],
  open(contender, bench) {
    const few = contender === "cufflink-unary" || contender === "daprd";
    return eventContender(contender, bench, {
      system: "rabbitmq",
      keys: 1000,
      ordered: false,
      waiting: bench.count(few ? 30_000 : 60_000),
      latencyRate,
      paced: bench.count(2000),
      open: () => openQueue(bench),
    });
  },
};

async function openQueue(bench: Bench): Promise<EventSource> {
  const { url } = await bench.systems.rabbitmq();
  const queue = uniqueName("in");
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true });
  return {
    component: {
      name: "in",
      type: "rabbitmq",
      metadata: {
        host: url,
        queueName: queue,
        durable: "true",
        deleteWhenUnused: "false",
        prefetchCount: String(prefetch),
      },
    },
    address: url,
    source: queue,
    send: (_, payload) =>
      new Promise((resolve, reject) => {
        channel.sendToQueue(queue, payload, { persistent: true }, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
    async unsettled() {
      return (await channel.checkQueue(queue)).messageCount;
    },
    async [Symbol.asyncDispose]() {
      await channel.deleteQueue(queue);
      await connection.close();
    },
  };
}

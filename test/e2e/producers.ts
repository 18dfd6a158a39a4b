import { stringSerializers, Producer as KafkaProducer } from "@platformatic/kafka";
import { connect as connectAmqp } from "amqplib";
import { connectAsync as connectMqtt } from "mqtt";

/** Sends events as any other program would; resolves once the server has confirmed the event. */
export type Producer = AsyncDisposable & { send(key: string, value: string): Promise<void> };

export async function kafkaProducer(brokers: string, topic: string): Promise<Producer> {
  const producer = new KafkaProducer({
    clientId: "e2e",
    bootstrapBrokers: brokers.split(","),
    serializers: stringSerializers,
  });
  return {
    async send(key, value) {
      await producer.send({ messages: [{ topic, key, value }], acks: -1 });
    },
    async [Symbol.asyncDispose]() {
      await producer.close();
    },
  };
}

export async function rabbitmqProducer(url: string, queue: string): Promise<Producer> {
  const connection = await connectAmqp(url);
  const channel = await connection.createConfirmChannel();
  return {
    async send(_, value) {
      channel.sendToQueue(queue, Buffer.from(value), { persistent: true });
      await channel.waitForConfirms();
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}

export async function mqttProducer(url: string, topic: string): Promise<Producer> {
  const client = await connectMqtt(url);
  return {
    async send(_, value) {
      await client.publishAsync(topic, value, { qos: 1 });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync();
    },
  };
}

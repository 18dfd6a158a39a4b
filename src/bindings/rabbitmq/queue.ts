import type { Channel } from "amqplib";
import { failure } from "./failures.ts";
import type { RabbitmqMetadata } from "./fields.ts";

/** Declares the component's queue; a queue of that name made otherwise is an error that says so. */
export async function declareQueue(channel: Channel, metadata: RabbitmqMetadata): Promise<void> {
  try {
    await channel.assertQueue(metadata.queueName, {
      durable: metadata.durable,
      autoDelete: metadata.deleteWhenUnused,
      exclusive: metadata.exclusive,
      ...(metadata.ttl === undefined ? {} : { messageTtl: metadata.ttl }),
      ...(metadata.maxPriority === undefined ? {} : { maxPriority: metadata.maxPriority }),
    });
  } catch (error) {
    throw failure(`queue ${metadata.queueName} could not be declared as the metadata says`, error);
  }
}

import type { Channel, ChannelModel, Options } from "amqplib";
import { BindingError } from "../../errors.ts";
import { failure } from "./failures.ts";
import type { RabbitmqMetadata } from "./fields.ts";
import { differenceOf, fieldOfRefusal, type Difference } from "./queue-differences.ts";

/** The component's queue as it is at the server. */
export type Queue = {
  /** In what it differs from the metadata; none: it is as the metadata says. */
  readonly differences: readonly Difference[];
  /** What the server says of it otherwise, where it names no difference that is understood. */
  readonly refusal?: string;
  /** How often a message may be returned; `undefined`: no limit is known. */
  readonly deliveryLimit: number | undefined;
  /** Where the server puts what it gives up. */
  readonly deadLetterExchange: string | undefined;
  readonly isSingleActive: boolean;
  readonly isStream: boolean;
};

type Declaration = Options.AssertQueue & { arguments: Record<string, unknown> };

/**
 * Declares the queue as the metadata says. One that is there and made otherwise is used as it is: the server names
 * one difference after another, and each is adopted. One that this user may not declare is looked for.
 */
export async function useQueue(model: ChannelModel, metadata: RabbitmqMetadata): Promise<Queue> {
  const { queueName } = metadata;
  const differences: Difference[] = [];
  const declaration = declarationOf(metadata);
  for (;;) {
    try {
      await onChannel(model, (channel) => channel.assertQueue(queueName, declaration));
      return queueOf(declaration, differences);
    } catch (error) {
      const refusal = failure(`queue ${queueName} could not be declared`, error);
      const difference = differenceOf(refusal.message);
      const isNew = differences.every(({ argument }) => argument !== difference?.argument);
      if (difference !== undefined && isNew) {
        differences.push(difference);
        adopt(declaration, difference);
      } else if (["403", "405", "406"].includes(refusal.systemCode ?? "")) {
        return lookFor(model, metadata, refusal, queueOf(declaration, differences));
      } else throw refusal;
    }
  }
}

/** A stream can be sent to only. */
export function streamRefusal({ queueName }: RabbitmqMetadata): BindingError {
  return new BindingError(
    "invalid_argument",
    `queue ${queueName} is a stream, which cannot be read here, since a stream takes no message back: name another queue, or say direction: output to send to it only`,
  );
}

/** The queue that cannot be declared, if it can be used all the same. */
async function lookFor(
  model: ChannelModel,
  { queueName, exclusive }: RabbitmqMetadata,
  refusal: BindingError,
  queue: Queue,
): Promise<Queue> {
  try {
    await onChannel(model, (channel) => channel.checkQueue(queueName));
  } catch (error) {
    throw unusable(queueName, failure(`queue ${queueName} cannot be used`, error), refusal);
  }
  if (exclusive) {
    throw new BindingError(
      "invalid_argument",
      `queue ${queueName} is there and is not exclusive: leave exclusive out, or name another queue`,
      { systemCode: refusal.systemCode, cause: refusal },
    );
  }
  return refusal.systemCode === "406" ? { ...queue, refusal: refusal.message } : queue;
}

function unusable(queueName: string, found: BindingError, refusal: BindingError): BindingError {
  const { systemCode, cause } = found;
  if (systemCode === "404" && refusal.systemCode === "406") return asWritten(queueName, refusal);
  if (systemCode === "405") {
    const text = `queue ${queueName} is the exclusive queue of another connection (405 RESOURCE_LOCKED); name another queue, or end that connection`;
    return new BindingError("failed_precondition", text, { effect: "unsent", systemCode, cause });
  }
  if (systemCode !== "404") return found;
  const text = `queue ${queueName} is not there, and this user may not declare it: make the queue, or grant the user configure on it (${refusal.message})`;
  return new BindingError("permission_denied", text, {
    effect: "unsent",
    systemCode: "403",
    cause,
  });
}

/** The server would take such a queue at no time, so that trying again is no help. */
function asWritten(queueName: string, refusal: BindingError): BindingError {
  const field = fieldOfRefusal(refusal.message);
  const remedy = field === undefined ? "" : `; see ${field} in the component's metadata`;
  return new BindingError(
    "invalid_argument",
    `queue ${queueName} cannot be declared as the metadata says: ${refusal.message}${remedy}`,
    { systemCode: refusal.systemCode, cause: refusal },
  );
}

function declarationOf(metadata: RabbitmqMetadata): Declaration {
  const replicated = metadata.queueType === "quorum";
  const named = {
    "x-queue-type": metadata.queueType,
    "x-delivery-limit": metadata.deliveryLimit,
    "x-single-active-consumer": metadata.singleActiveConsumer || undefined,
    "x-dead-letter-exchange": metadata.deadLetterExchange,
    "x-dead-letter-routing-key": metadata.deadLetterRoutingKey || undefined,
    "x-dead-letter-strategy": metadata.deadLetterStrategy,
    "x-max-length": metadata.maxLength,
    "x-max-length-bytes": metadata.maxLengthBytes,
    "x-overflow": metadata.overflow,
    "x-expires": metadata.queueExpires,
    "x-message-ttl": metadata.ttl,
    "x-max-priority": metadata.maxPriority,
  };
  return {
    durable: metadata.durable || replicated,
    autoDelete: metadata.deleteWhenUnused,
    exclusive: metadata.exclusive,
    arguments: Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
  };
}

function adopt(declaration: Declaration, { argument, current }: Difference): void {
  if (argument === "durable") declaration.durable = current === true;
  else if (argument === "auto_delete") declaration.autoDelete = current === true;
  else if (current === undefined) delete declaration.arguments[argument];
  else declaration.arguments[argument] = current;
}

function queueOf({ arguments: named }: Declaration, differences: readonly Difference[]): Queue {
  const limit = named["x-delivery-limit"];
  const exchange = named["x-dead-letter-exchange"];
  return {
    differences,
    deliveryLimit: typeof limit === "number" ? limit : undefined,
    deadLetterExchange: typeof exchange === "string" ? exchange : undefined,
    isSingleActive: named["x-single-active-consumer"] === true,
    isStream: named["x-queue-type"] === "stream",
  };
}

/** Of its own, since the server closes the channel of a request that it refuses. */
export async function onChannel<Result>(
  model: ChannelModel,
  run: (channel: Channel) => Promise<Result>,
): Promise<Result> {
  const channel = await model.createChannel();
  let refused = false;
  channel.on("error", () => (refused = true));
  try {
    return await run(channel);
  } finally {
    if (!refused) await channel.close().catch(() => {});
  }
}

import type { Channel, ConsumeMessage, Message } from "amqplib";
import type { InboundEvent, Lease, Reader, Reading } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { AcknowledgingChannel } from "./acknowledgements.ts";
import { eventOf } from "./events.ts";
import { failure } from "./failures.ts";
import type { rabbitmqFields } from "./fields.ts";
import { countIncoming } from "./incoming.ts";
import { abortable, type Connection } from "./link.ts";
import { PrefetchWindow } from "./prefetch-window.ts";
import { queueNotices } from "./queue-notices.ts";
import { streamRefusal, useQueue, type Queue } from "./queue.ts";

/** How much of the server's time limit for an unacknowledged message is used. */
const usedTimeout = 5 / 6;
const largestPrefetch = 65_535;
/** The least prefetch count of a queue with a single active consumer, which cannot be raised later. */
const singleActiveRoom = 250;

/**
 * How long the server may take to begin, in milliseconds. One that has just been started again may leave the reader of a
 * quorum queue without an answer for ever.
 */
const startTimeout = 20_000;

/** Opens the reader's connection; the callback is called once if it ends by itself. */
export type ConnectInput = (lost: (reason: BindingError) => void) => Promise<Connection>;

/** Reads the queue on a connection of the reader's own, which is closed with it. */
export async function startConsumer(
  connectInput: ConnectInput,
  reading: Reading<typeof rabbitmqFields>,
): Promise<Consumer> {
  const consumer = new Consumer(reading);
  const signal = AbortSignal.any([reading.signal, AbortSignal.timeout(startTimeout)]);
  try {
    const starting = consumer.start(connectInput);
    await abortable(
      starting,
      signal,
      `queue ${reading.metadata.queueName} cannot be read: the server does not answer`,
      () => {},
    );
    return consumer;
  } catch (error) {
    await consumer.close();
    throw unread(reading.metadata.queueName, error);
  }
}

/** Why a queue cannot be read, with what to do about it where the server's words do not say. */
function unread(queueName: string, error: unknown): BindingError {
  const refusal = failure(`queue ${queueName} cannot be read`, error);
  const { reason, systemCode, message, effect } = refusal;
  if (systemCode !== "403" || error instanceof BindingError) return refusal;
  const remedy = message.includes("in exclusive use")
    ? "another client reads it exclusively; it is tried again, and works once that one has gone"
    : "grant this user read on it";
  return new BindingError(reason, `${message}; ${remedy}`, { effect, systemCode, cause: error });
}

/** A queue being read. */
export class Consumer implements Reader {
  readonly #reading: Reading<typeof rabbitmqFields>;
  #link: Connection | undefined;
  #channel: Channel | undefined;
  #window: PrefetchWindow | undefined;
  #acknowledgements: Acknowledgements | undefined;
  #queue: Queue | undefined;
  /** One for all messages; `undefined`: the server sets no time limit. */
  readonly #lease: Lease | undefined;
  #batch: InboundEvent[] = [];
  #started = false;
  #stopped = false;
  #lost: BindingError | undefined;

  constructor(reading: Reading<typeof rabbitmqFields>) {
    this.#reading = reading;
    const duration = reading.metadata.consumerTimeout * usedTimeout;
    if (duration > 0) this.#lease = { duration };
  }

  /** The connection that reads, while there is one: an exclusive queue is known to no other. */
  get link(): Connection | undefined {
    return this.#lost === undefined ? this.#link : undefined;
  }

  async start(connectInput: ConnectInput): Promise<void> {
    const { metadata, maxInFlight, attempts, notice } = this.#reading;
    this.#link = await connectInput((reason) => this.#lose(reason));
    countIncoming(this.#link.model.connection, this.#reading.memory);
    const queue = await useQueue(this.#link.model, metadata);
    if (queue.isStream) throw streamRefusal(metadata);
    for (const text of queueNotices(metadata, queue, attempts)) notice(text);
    this.#queue = queue;
    const channel = await this.#link.model.createChannel();
    this.#channel = channel;
    channel.on("error", (error) => this.#lose(failure("the channel was closed", error)));
    const longestHold = this.#lease?.duration ?? Number.POSITIVE_INFINITY;
    this.#acknowledgements = new Acknowledgements(tolerant(channel), longestHold);
    this.#window = new PrefetchWindow(
      {
        add: async (prefetch) => {
          // Two requests, and in this order on the channel: the count is for the consumers to come.
          const counted = channel.prefetch(prefetch);
          const consuming = channel.consume(metadata.queueName, (message) => this.#take(message));
          await counted;
          return (await consuming).consumerTag;
        },
        cancel: async (tag) => {
          await channel.cancel(tag);
        },
      },
      metadata.prefetchCount === 0 ? largestPrefetch : metadata.prefetchCount,
      (reason) => this.#lose(failure("the prefetch count could not be changed", reason)),
    );
    // Of several consumers of this reader one would get all: it has the room for those that wait, too.
    const room = queue.isSingleActive ? Math.max(maxInFlight, singleActiveRoom) : maxInFlight;
    await this.#window.open(room);
    this.#started = true;
    if (this.#lost !== undefined) throw this.#lost;
  }

  credit(events: number): void {
    if (this.#queue?.isSingleActive !== true) this.#window?.resize(events);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    try {
      await this.#window?.stop();
    } catch (error) {
      if (this.#lost === undefined) throw failure("the consumer could not be cancelled", error);
    }
  }

  async flush(): Promise<void> {
    const channel = this.#channel;
    if (channel === undefined) return;
    if (this.#lost !== undefined) throw this.#lost;
    this.#acknowledgements?.write();
    try {
      // Acknowledgements have no answer of their own. A channel works through what it gets in order,
      // so once it answers this, it has them; the count concerns later consumers, which set theirs.
      await channel.prefetch(1);
    } catch (error) {
      throw failure("the acknowledgements were not confirmed", error, "ambiguous");
    }
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#lost ??= new BindingError("unavailable", "the reader was closed");
    this.#acknowledgements?.abandon();
    await this.#link?.close();
  }

  #take(message: ConsumeMessage | null): void {
    const { queueName, prefetchCount } = this.#reading.metadata;
    if (message === null) {
      this.#lose(
        new BindingError("not_found", `queue ${queueName} was deleted`, { effect: "unsent" }),
      );
      return;
    }
    const acknowledgements = this.#acknowledgements;
    // What comes after the stop is left to the queue, which gets it back when the channel closes.
    if (this.#stopped || acknowledgements === undefined) return;
    if (message.properties.headers?.["x-stream-offset"] !== undefined)
      return this.#lose(streamRefusal(this.#reading.metadata));
    const tag = message.fields.deliveryTag;
    acknowledgements.delivered(tag);
    this.#batch.push(
      eventOf(message, {
        queue: queueName,
        key: prefetchCount === 1 ? queueName : undefined,
        lease: this.#lease,
        settle: (settlement) => {
          if (settlement.outcome === "handled") return acknowledgements.handled(tag);
          this.#tellLastReturn(message);
          acknowledgements.returned(tag, settlement.after ?? 0);
        },
      }),
    );
    if (this.#batch.length === 1) queueMicrotask(() => this.#deliver());
  }

  /** A quorum queue with a limit does not take it back once more. */
  #tellLastReturn({ properties }: ConsumeMessage): void {
    const { deliveryLimit, deadLetterExchange } = this.#queue ?? {};
    const count: unknown = properties.headers?.["x-delivery-count"] ?? 0;
    if (deliveryLimit === undefined || typeof count !== "number" || count < deliveryLimit) return;
    this.#reading.logger.warn(
      { event: properties.messageId as unknown, deliveryLimit, deadLetterExchange },
      deadLetterExchange === undefined
        ? "a message is returned more often than its queue allows: the server drops it"
        : "a message is returned more often than its queue allows: the server dead-letters it",
    );
  }

  /** All that came in one piece from the socket. The prefetch count is what bounds it. */
  #deliver(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#reading
      .deliver(batch)
      .catch((error: unknown) =>
        this.#lose(new BindingError("internal", messageOf(error), { cause: error })),
      );
  }

  /** Once; while starting, the failure is told by what fails. */
  #lose(reason: BindingError): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#acknowledgements?.abandon();
    if (this.#started) this.#reading.lost(reason);
  }
}

/** A channel that has just closed takes no acknowledgements; its messages are in the queue again. */
function tolerant(channel: Channel): AcknowledgingChannel {
  return {
    ack(message, allUpTo) {
      unlessClosed(() => channel.ack(message as Message, allUpTo));
    },
    nack(message, allUpTo, requeue) {
      unlessClosed(() => channel.nack(message as Message, allUpTo, requeue));
    },
  };
}

function unlessClosed(send: () => void): void {
  try {
    send();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "IllegalOperationError") throw error;
  }
}

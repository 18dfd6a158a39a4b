import { defineBinding, type Notice } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { startConsumer } from "./consumer.ts";
import type { ConnectInput, Consumer } from "./consumer.ts";
import { failure } from "./failures.ts";
import { createFields, rabbitmqFields } from "./fields.ts";
import type { RabbitmqMetadata } from "./fields.ts";
import { connect, abortable, type Connection, type Driver } from "./link.ts";
import { publishOptions } from "./messages.ts";
import { Publisher } from "./publisher.ts";
import { queueNotices } from "./queue-notices.ts";
import { onChannel, streamRefusal, useQueue } from "./queue.ts";

const readTimeout = 30_000;

export default defineBinding({
  name: "rabbitmq",
  status: "stable",
  summary: "Reads from and sends to a RabbitMQ queue.",
  provedBy: [{ system: "RabbitMQ", kind: "real" }],
  metadata: rabbitmqFields,

  async open({ metadata, component, directions, signal, lost, notice, examines }) {
    const driver = await import("amqplib");
    const name = `cufflink ${component.appId} ${component.name}`;
    const link = await connect(driver, metadata, name, signal, lost);
    try {
      const connection = new RabbitmqConnection(driver, metadata, name, link);
      if (examines) return connection;
      const proof = connection.prove(directions, lost, notice);
      await abortable(proof, signal, `declaring queue ${metadata.queueName}`, () => {});
      return connection;
    } catch (error) {
      await link.close();
      throw failure(`queue ${metadata.queueName} cannot be used`, error);
    }
  },

  operations: {
    create: {
      description: "Sends the data to the queue and waits for the server's confirmation.",
      request: createFields,
      async invoke(connection, { data, properties, request, metadata, signal }) {
        const content = data === undefined ? Buffer.alloc(0) : asBuffer(data);
        await connection
          .publisher()
          .publish(content, publishOptions(properties, request, metadata.contentType), signal);
      },
    },
  },

  eventMetadata: {
    exchange: "The exchange it was sent to.",
    routingKey: "Its routing key.",
    redelivered: "`true`: it was delivered before.",
    contentType: "Its media type.",
    contentEncoding: "Its encoding.",
    deliveryMode: "`2`: it outlives a restart of the server.",
    priority: "Its priority.",
    correlationId: "What it answers.",
    replyTo: "Where its answer goes.",
    expiration: "How long it is kept, in milliseconds.",
    messageId: "Its own id.",
    timestamp: "When it was sent.",
    type: "Its type.",
    userId: "Who has sent it.",
    appId: "The app that has sent it.",
  },

  guarantee: {
    returned: "is requeued, after the pause and before the server's own time-out",
    atLeastOnce: "the queue is durable",
    key: "the queue, with `prefetchCount: 1`",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64), or `prefetchCount`",
      runtime: "what the server delivered: the same",
      server:
        "the same; if the server is killed, also acknowledgements that it had not stored (a second at 50/s: 114)",
    },
  },

  async read(connection, reading) {
    return connection.read((connectInput) => startConsumer(connectInput, reading));
  },

  async ping(connection) {
    await connection.inspect();
  },

  async examine(connection, { metadata, ask, unknown }) {
    const { queueName, exclusive } = metadata;
    await ask("authenticated", "", () => {});
    if (exclusive)
      return unknown("exists", `queue ${queueName}`, "it is exclusive, and its reader's alone");
    await ask(
      "exists",
      `queue ${queueName}`,
      async () => `${await connection.inspect()} messages wait`,
    );
  },

  async backlog(connection) {
    return connection.inspect();
  },

  async totalBacklog(connection, { metadata }) {
    if (metadata.exclusive)
      throw new BindingError(
        "failed_precondition",
        `queue ${metadata.queueName} is exclusive: it ends with its reader, and nothing waits in it`,
        { effect: "unsent" },
      );
    return connection.inspect();
  },
});

/**
 * Two connections, for the server stops reading from one whose messages it cannot take, and the
 * acknowledgements on it would wait with them: one to send and to ask, one of the reader's own.
 */
class RabbitmqConnection implements AsyncDisposable {
  readonly #driver: Driver;
  readonly #metadata: RabbitmqMetadata;
  readonly #name: string;
  readonly #link: Connection;
  #publisher: Publisher | undefined;
  #consumer: Consumer | undefined;

  constructor(driver: Driver, metadata: RabbitmqMetadata, name: string, link: Connection) {
    this.#driver = driver;
    this.#metadata = metadata;
    this.#name = name;
    this.#link = link;
  }

  /** Declares the queue, unless it is exclusive and so the reader's, and makes ready to send. */
  async prove(
    { input, output }: { readonly input: boolean; readonly output: boolean },
    lost: (reason: unknown) => void,
    notice: Notice,
  ): Promise<void> {
    const channel = await this.#link.model.createConfirmChannel();
    channel.on("error", (error) => lost(failure("the channel was closed", error)));
    if (!this.#metadata.exclusive) {
      const queue = await useQueue(this.#link.model, this.#metadata);
      if (input && queue.isStream) throw streamRefusal(this.#metadata);
      for (const text of queueNotices(this.#metadata, queue)) notice(text);
    }
    if (output) this.#publisher = new Publisher(this.#link, channel, this.#metadata);
  }

  publisher(): Publisher {
    if (this.#publisher === undefined) {
      throw new BindingError("failed_precondition", "the component's direction leaves out output");
    }
    return this.#publisher;
  }

  async read(start: (connectInput: ConnectInput) => Promise<Consumer>): Promise<Consumer> {
    this.#consumer = await start((lost) =>
      connect(
        this.#driver,
        this.#metadata,
        `${this.#name} input`,
        AbortSignal.timeout(readTimeout),
        lost,
      ),
    );
    return this.#consumer;
  }

  /** How many messages wait in the queue. An exclusive one can be seen by its reader only. */
  async inspect(): Promise<number> {
    const link = this.#metadata.exclusive ? this.#consumer?.link : this.#link;
    if (this.#link.ended !== undefined) throw this.#link.ended;
    if (link === undefined) return 0;
    const { queueName } = this.#metadata;
    try {
      const queue = await onChannel(link.model, (channel) => channel.checkQueue(queueName));
      return queue.messageCount;
    } catch (error) {
      throw failure(`queue ${queueName} cannot be used`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#consumer?.close(), this.#link.close()]);
  }
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

import { randomBytes } from "node:crypto";
import { defineBinding, type Opening } from "../../binding.ts";
import { problemsOf } from "../../check-settings.ts";
import { BindingError } from "../../errors.ts";
import { HandledMessages } from "../../handled-messages.ts";
import { AmqpConnection } from "../../amqp-client/connection.ts";
import { startConsumer, type ConnectInput, type Consumer } from "./consumer.ts";
import type { Driver } from "../../amqp-client/driver.ts";
import { amqpFields, createFields } from "./fields.ts";
import type { AmqpMetadata } from "./fields.ts";
import { encodeMessage } from "./messages.ts";
import { checkAddress, Producer } from "./producer.ts";
import type { ServerAddress } from "../../amqp-client/server-address.ts";
import { serverAddress } from "./server-address.ts";
import { checkSource } from "./source.ts";

const readTimeout = 30_000;

export default defineBinding({
  name: "amqp",
  status: "beta",
  summary: "Reads from and sends to the queues and topics of an AMQP 1.0 server.",
  provedBy: [
    { system: "ActiveMQ Artemis", kind: "real" },
    { system: "RabbitMQ", kind: "real" },
  ],
  drivers: { rhea: "3.0.5" },
  metadata: amqpFields,

  check: (metadata, { input }) =>
    problemsOf([
      () => checkAddress(metadata.address),
      () => input && checkSource(metadata),
      // Files may be elsewhere than where this is checked.
      () => serverAddress({ ...metadata, caCert: "", clientCert: "", clientKey: "" }),
    ]),

  async open(opening) {
    const { metadata, component, directions, signal, lost } = opening;
    checkAddress(metadata.address);
    if (directions.input) checkSource(metadata);
    const driver = loadDriver(opening);
    const address = await serverAddress(metadata);
    const name = `cufflink ${component.appId} ${component.name}`;
    const link = await AmqpConnection.open({
      ...{ driver, address, signal, lost },
      containerId: `${name} ${randomBytes(6).toString("hex")}`,
      idleTimeout: metadata.idleTimeout,
    });
    const output = directions.output ? new Producer(link, metadata.capability) : undefined;
    return new AmqpBindingConnection(driver, address, metadata, name, link, output);
  },

  operations: {
    create: {
      description: "Sends the data to a queue or topic and waits until the server has accepted it.",
      request: createFields,
      async invoke(connection, { data, request, metadata, signal }) {
        const message = encodeMessage(connection.driver.rhea, data, request, metadata);
        await connection.producer().send(request.address || metadata.address, message, signal);
      },
    },
  },

  guarantee: {
    returned:
      "goes back to the queue: modified, so that its delivery count grows, or released where no attempt at it failed",
    atLeastOnce:
      "the queue is durable; a topic without `subscriptionName` keeps nothing for who is away",
    key: "the group id; the address, with `linkCredit: 1`",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64), or `linkCredit`",
      runtime: "what the server delivered: the same",
      server:
        "the same; if the server is killed, also settlements that it had not stored (a second at 50/s: 114)",
    },
  },

  async read(connection, reading) {
    return connection.read((connectInput) =>
      startConsumer(connection.driver, connectInput, reading, connection.handled),
    );
  },

  async ping(connection, signal) {
    await connection.link.roundTrip(signal);
  },

  async examine(_connection, { ask }) {
    await ask("authenticated", "", () => {});
  },
});

function loadDriver({ driver }: Pick<Opening<typeof amqpFields>, "driver">): Driver {
  return {
    rhea: driver("rhea") as Driver["rhea"],
    frames: driver("rhea", "lib/frames.js") as Driver["frames"],
  };
}

/** Two connections, since the reader's own bears the name that a durable subscription belongs to. */
class AmqpBindingConnection implements AsyncDisposable {
  readonly driver: Driver;
  readonly link: AmqpConnection;
  readonly handled: HandledMessages;
  readonly #address: ServerAddress;
  readonly #metadata: AmqpMetadata;
  readonly #name: string;
  readonly #producer: Producer | undefined;
  #consumer: Consumer | undefined;

  constructor(
    driver: Driver,
    address: ServerAddress,
    metadata: AmqpMetadata,
    name: string,
    link: AmqpConnection,
    producer: Producer | undefined,
  ) {
    this.driver = driver;
    this.link = link;
    this.handled = HandledMessages.of(identityOf(address, metadata));
    this.#address = address;
    this.#metadata = metadata;
    this.#name = name;
    this.#producer = producer;
  }

  producer(): Producer {
    if (this.#producer === undefined) {
      throw new BindingError("failed_precondition", "the component's direction leaves out output");
    }
    return this.#producer;
  }

  async read(start: (connectInput: ConnectInput) => Promise<Consumer>): Promise<Consumer> {
    const { containerId, idleTimeout } = this.#metadata;
    this.#consumer = await start((signal) =>
      AmqpConnection.open({
        driver: this.driver,
        address: this.#address,
        containerId: containerId || `${this.#name} input ${randomBytes(6).toString("hex")}`,
        idleTimeout,
        signal: AbortSignal.any([signal, AbortSignal.timeout(readTimeout)]),
        // The consumer asks for it itself.
        lost() {},
      }),
    );
    return this.#consumer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#consumer?.close(), this.link.close()]);
  }
}

/** Of what is read, for what outlasts a connection. */
function identityOf({ host, port, hostname }: ServerAddress, metadata: AmqpMetadata): string {
  const { address, subscriptionName, containerId } = metadata;
  return JSON.stringify(["amqp", host, port, hostname, address, subscriptionName, containerId]);
}

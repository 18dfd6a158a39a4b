import type * as mqttPacket from "mqtt-packet";
import type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from "mqtt-packet";
import { BindingError } from "../../../errors.ts";
import { Connection, failedToConnect } from "../connection.ts";
import type { ConnectionOptions, Protocol } from "../connection.ts";

/** How a session begins and whom it tells. */
export type SessionOptions = ConnectionOptions & {
  readonly clientId: string;
  readonly clean: boolean;
  /** Messages in the order in which they came, all of one piece from the socket together. */
  readonly received?: (messages: readonly IPublishPacket[], session: MqttSession) => void;
};

const refusals: Readonly<Record<number, readonly [BindingError["reason"], string]>> = {
  1: ["unimplemented", "it does not speak MQTT 3.1.1"],
  2: ["invalid_argument", "it does not accept the client id"],
  3: ["unavailable", "it takes no connections at the moment"],
  4: ["unauthenticated", "it does not know the user or password"],
  5: ["permission_denied", "it does not let this client connect"],
};

/** One MQTT 3.1.1 connection, from CONNECT to its end. */
export class MqttSession {
  readonly #options: SessionOptions;
  readonly #connection: Connection<Packet>;
  #batch: IPublishPacket[] = [];
  /** Whether the broker still had a session of this client. */
  sessionPresent = false;

  private constructor(options: SessionOptions, connection: Connection<Packet>) {
    this.#options = options;
    this.#connection = connection;
  }

  /** Connects and introduces itself; rejects with the broker's refusal. */
  static async connect(options: SessionOptions): Promise<MqttSession> {
    const codec = await import("mqtt-packet");
    const { promise, resolve } = Promise.withResolvers<MqttSession>();
    await Connection.dial<Packet>(options, (connection) => {
      const session = new MqttSession(options, connection);
      resolve(session);
      return session.#protocol(codec);
    });
    return promise;
  }

  /** Why the connection is of no use any more; `undefined` while it is. */
  get failure(): BindingError | undefined {
    return this.#connection.failure;
  }

  /** Resolves once the broker has granted the subscription with QoS 1. */
  async subscribe(topic: string): Promise<void> {
    const messageId = this.#connection.takeIdentifier();
    const answer = await this.#connection.ask(`suback ${messageId}`, () =>
      this.#connection.send({ cmd: "subscribe", messageId, subscriptions: [{ topic, qos: 1 }] }),
    );
    const granted = (answer as ISubackPacket).granted[0];
    if (granted === 128) {
      throw new BindingError(
        "permission_denied",
        `the broker does not let this client subscribe to ${topic}`,
        {
          systemCode: "128",
        },
      );
    }
  }

  /** Sends with QoS 1. Resolves once the broker has taken the message over. */
  async publish(topic: string, payload: Buffer, retain: boolean): Promise<void> {
    const messageId = this.#connection.takeIdentifier();
    await this.#connection.ask(`puback ${messageId}`, () => {
      const how = { retain, qos: 1, dup: false } as const;
      this.#connection.send({ cmd: "publish", messageId, topic, payload, ...how });
    });
  }

  /** Tells the broker that a message it sent is done with. */
  acknowledge(messageId: number): void {
    this.#connection.send({ cmd: "puback", messageId });
  }

  /** Resolves once the broker has worked through all that was sent before. */
  roundTrip(): Promise<void> {
    return this.#connection.roundTrip();
  }

  /** As {@link Connection.hold}. */
  hold(): void {
    this.#connection.hold();
  }

  resume(): void {
    this.#connection.resume();
  }

  /** Says good-bye, so that the broker keeps the session as agreed. Never rejects. */
  end(): Promise<void> {
    return this.#connection.end();
  }

  #protocol(codec: typeof mqttPacket): Protocol<Packet> {
    return {
      version: 4,
      codec,
      decoder(packet, failed) {
        const parser = codec.parser({ protocolVersion: 4 });
        parser.on("packet", packet);
        parser.on("error", failed);
        return parser;
      },
      introduce: () => this.#introduce(),
      take: (packet) => this.#take(packet),
      taken: () => this.#deliver(),
    };
  }

  async #introduce(): Promise<undefined> {
    const { clientId, clean, keepAlive, address } = this.#options;
    const answer = await this.#connection.ask("connack", () => {
      this.#connection.send({
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: 4,
        clientId,
        clean,
        keepalive: Math.min(65_535, Math.ceil(keepAlive / 1000)),
        ...(address.username === undefined ? {} : { username: address.username }),
        ...(address.password === undefined ? {} : { password: Buffer.from(address.password) }),
      });
    });
    const { returnCode = 0 } = answer as IConnackPacket;
    if (returnCode === 0) return;
    const [reason, text] = refusals[returnCode] ?? ["unavailable", `its answer is ${returnCode}`];
    throw new BindingError(reason, `${failedToConnect(this.#options)}: ${text}`, {
      effect: "unsent",
      systemCode: String(returnCode),
    });
  }

  #take(packet: Packet): void {
    switch (packet.cmd) {
      case "publish":
        this.#batch.push(packet);
        return;
      case "connack":
        this.sessionPresent = packet.sessionPresent;
        this.#connection.connected = packet.returnCode === 0;
        this.#connection.answer(packet.cmd, packet);
        return;
      case "pingresp":
        this.#connection.answerPing(packet);
        return;
      case "puback":
      case "suback":
        this.#connection.freeIdentifier(packet.messageId);
        this.#connection.answer(`${packet.cmd} ${packet.messageId}`, packet);
        return;
      default:
        this.#connection.fail(
          this.#connection.lostError(`it sent ${packet.cmd}, which it must not`),
        );
    }
  }

  #deliver(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#options.received?.(batch, this);
  }
}

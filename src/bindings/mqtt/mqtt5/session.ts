import type * as mqttPacket from "mqtt-packet";
import type { IConnectPacket, IPublishPacket, ISubscription } from "mqtt-packet";
import { BindingError } from "../../../errors.ts";
import { Connection, failedToConnect } from "../connection.ts";
import type { ConnectionOptions, Protocol } from "../connection.ts";
import { PacketDecoder } from "./decoder.ts";
import type {
  ConfirmationPacket,
  ConnackPacket,
  PublishPacket,
  ServerPacket,
  SubackPacket,
} from "./packets.ts";
import { describeReason, effectOfRefusal, firstFailure, hexCode, refusal } from "./reason-codes.ts";
import { SendQuota } from "./send-quota.ts";
import { TopicAliases } from "./topic-aliases.ts";

/** How a session begins and whom it tells. */
export type SessionOptions = ConnectionOptions & {
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly properties?: NonNullable<IConnectPacket["properties"]>;
  readonly will?: IConnectPacket["will"];
  /** Messages in the order in which they came, all of one piece from the socket together. */
  readonly received?: (messages: readonly PublishPacket[], session: Session) => void;
  /** The server has noted that a message with QoS 2 is done with. Whether that was known here. */
  readonly released?: (identifier: number) => boolean;
};

/** A message to send. */
export type Message = {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties: NonNullable<IPublishPacket["properties"]>;
};

/** A topic filter to read. */
export type Subscription = Required<ISubscription> & {
  readonly identifier: number;
};

/** What an older server says for a version that it does not speak. */
const olderRefusal = 1;
const notFound = 0x92;
const takenOver = 0x8e;

/** One MQTT 5 connection, from CONNECT to its end. */
export class Session {
  readonly #options: SessionOptions;
  readonly #connection: Connection<ServerPacket>;
  readonly #codec: typeof mqttPacket;
  readonly #aliases: TopicAliases;
  readonly #quota = new SendQuota();
  /** What was said of a message with QoS 2 when the server took it. */
  readonly #noted = new Map<number, number>();
  #batch: PublishPacket[] = [];
  #greeting: ConnackPacket | undefined;

  private constructor(
    options: SessionOptions,
    connection: Connection<ServerPacket>,
    codec: typeof mqttPacket,
  ) {
    this.#options = options;
    this.#connection = connection;
    this.#codec = codec;
    this.#aliases = new TopicAliases(options.properties?.topicAliasMaximum ?? 0);
  }

  /** Connects and introduces itself; rejects with the server's refusal. */
  static async connect(options: SessionOptions): Promise<Session> {
    const codec = await import("mqtt-packet");
    const { promise, resolve } = Promise.withResolvers<Session>();
    await Connection.dial<ServerPacket>(options, (connection) => {
      const session = new Session(options, connection, codec);
      resolve(session);
      return session.#protocol();
    });
    return promise;
  }

  /** Why the connection is of no use any more; `undefined` while it is. */
  get failure(): BindingError | undefined {
    return this.#connection.failure;
  }

  /** Whether the server still had a session of this client. */
  get sessionPresent(): boolean {
    return this.#greeting?.sessionPresent ?? false;
  }

  /** What the server said when it accepted the connection. */
  get limits(): ConnackPacket["properties"] {
    return this.#greeting?.properties ?? {};
  }

  /** Resolves to the QoS that the server has granted. */
  async subscribe({ identifier, ...subscription }: Subscription): Promise<number> {
    const { limits } = this;
    const messageId = this.#connection.takeIdentifier();
    const numbered = limits.subscriptionIdentifierAvailable !== 0;
    const answer = (await this.#connection.ask(`suback ${messageId}`, () =>
      this.#connection.send({
        ...{ cmd: "subscribe", messageId, subscriptions: [subscription] },
        ...(numbered ? { properties: { subscriptionIdentifier: identifier } } : {}),
      }),
    )) as SubackPacket;
    const [reasonCode = firstFailure] = answer.reasonCodes;
    if (reasonCode < firstFailure) return reasonCode;
    const what = `the server refuses the subscription to ${subscription.topic}`;
    throw refusal(what, { reasonCode, properties: answer.properties }, "rejected");
  }

  /**
   * With QoS 1 and 2 resolves to the reason code once the server has taken the message over, with QoS 0 to 0 once it
   * has left this process. Waits while the server takes no more at a time.
   */
  async publish(message: Message, signal: AbortSignal): Promise<number> {
    this.#check(message);
    const { qos } = message;
    if (qos === 0) {
      if (this.failure !== undefined) throw unsent(this.failure);
      await this.#connection.sendOut({ cmd: "publish", dup: false, ...message });
      return 0;
    }
    await this.#quota.take(signal);
    if (this.failure !== undefined) throw unsent(this.failure);
    const messageId = this.#connection.takeIdentifier();
    const answer = (await this.#connection.ask(`published ${messageId}`, () => {
      this.#connection.send({ cmd: "publish", messageId, dup: false, ...message });
    })) as ConfirmationPacket;
    const { cmd, reasonCode } = answer;
    if (reasonCode < firstFailure) return reasonCode;
    const what = `the server refuses the message to ${message.topic}`;
    // One that it had taken, and knows nothing of now, it may have passed on.
    const effect = cmd === "pubcomp" ? "ambiguous" : effectOfRefusal(reasonCode);
    throw refusal(what, answer, effect);
  }

  /** Tells the server that a message it sent is done with. */
  acknowledge(messageId: number, qos: number): void {
    this.#connection.send({ cmd: qos === 2 ? "pubrec" : "puback", messageId, reasonCode: 0 });
  }

  /** Resolves once the server has worked through all that was sent before. */
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

  /** Says good-bye, so that the server keeps the session as agreed and sends no will. Never rejects. */
  end(): Promise<void> {
    return this.#connection.end();
  }

  #protocol(): Protocol<ServerPacket> {
    const { properties } = this.#options;
    return {
      version: 5,
      codec: this.#codec,
      decoder: (packet) => new PacketDecoder(packet, properties?.maximumPacketSize),
      introduce: () => this.#introduce(),
      take: (packet) => this.#take(packet),
      taken: () => this.#deliver(),
      failed: (reason) => this.#quota.fail(unsent(reason)),
    };
  }

  async #introduce(): Promise<number | undefined> {
    const { clientId, cleanStart, keepAlive, address, properties, will } = this.#options;
    const { username, password } = address;
    const answer = (await this.#connection.ask("connack", () => {
      this.#connection.send({
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: 5,
        clientId,
        clean: cleanStart,
        keepalive: Math.min(65_535, Math.ceil(keepAlive / 1000)),
        ...(properties === undefined ? {} : { properties }),
        ...(will === undefined ? {} : { will }),
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password: Buffer.from(password) }),
      });
    })) as ConnackPacket;
    if (answer.reasonCode === olderRefusal) {
      const text = `${failedToConnect(this.#options)}: it does not speak MQTT 5; use the type bindings.mqtt3`;
      throw new BindingError("unimplemented", text, { effect: "unsent", systemCode: "1" });
    }
    if (answer.reasonCode !== 0) throw refusal(failedToConnect(this.#options), answer, "unsent");
    const { serverKeepAlive, receiveMaximum } = answer.properties;
    this.#quota.open(receiveMaximum ?? 65_535);
    // Zero: the server does not check, but who reads does.
    return serverKeepAlive === undefined || serverKeepAlive === 0
      ? undefined
      : serverKeepAlive * 1000;
  }

  #take(packet: ServerPacket): void {
    switch (packet.cmd) {
      case "publish":
        this.#receive(packet);
        return;
      case "connack":
        this.#greeting = packet;
        this.#connection.connected = packet.reasonCode === 0;
        this.#connection.answer(packet.cmd, packet);
        return;
      case "pingresp":
        this.#connection.answerPing(packet);
        return;
      case "suback":
      case "unsuback":
        this.#connection.freeIdentifier(packet.messageId);
        this.#connection.answer(`${packet.cmd} ${packet.messageId}`, packet);
        return;
      case "puback":
      case "pubrec":
      case "pubcomp":
        this.#confirmed(packet);
        return;
      case "pubrel": {
        const { messageId } = packet;
        const isKnown = this.#options.released?.(messageId) ?? false;
        this.#connection.send({ cmd: "pubcomp", messageId, reasonCode: isKnown ? 0 : notFound });
        return;
      }
      case "disconnect":
      case "auth":
        this.#dismissed(packet);
    }
  }

  #receive(packet: PublishPacket): void {
    const message = this.#aliases.resolve(packet);
    if (typeof message === "string") this.#connection.fail(this.#connection.lostError(message));
    else this.#batch.push(message);
  }

  /** One of the steps that a message takes which was sent from here. */
  #confirmed(packet: ConfirmationPacket): void {
    const { cmd, messageId, reasonCode } = packet;
    if (cmd === "pubrec" && reasonCode < firstFailure) {
      this.#noted.set(messageId, reasonCode);
      this.#connection.send({ cmd: "pubrel", messageId, reasonCode: 0 });
      return;
    }
    const noted = this.#noted.get(messageId);
    this.#noted.delete(messageId);
    if (this.#connection.freeIdentifier(messageId)) this.#quota.giveBack();
    const whole = noted === undefined || reasonCode !== 0 ? reasonCode : noted;
    this.#connection.answer(`published ${messageId}`, { ...packet, reasonCode: whole });
  }

  #dismissed(packet: Extract<ServerPacket, { readonly cmd: "disconnect" | "auth" }>): void {
    const { cmd, reasonCode } = packet;
    const twin = reasonCode === takenOver ? `; another client uses the same client id` : "";
    const why =
      cmd === "auth"
        ? "it asks for enhanced authentication (AUTH), which is not supported"
        : `it has ended it: ${describeReason(packet)}${twin}`;

    this.#connection.fail(this.#connection.lostError(why, undefined, hexCode(reasonCode)));
  }

  #deliver(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#options.received?.(batch, this);
  }

  /** Throws where the server has said that it would not take the message, and would end the connection. */
  #check(message: Message): void {
    const { maximumQos, retainAvailable, maximumPacketSize } = this.limits;
    if (maximumQos !== undefined && message.qos > maximumQos) {
      throw refused(
        `the server takes messages up to QoS ${maximumQos}, and this has ${message.qos}`,
      );
    }
    if (retainAvailable === 0 && message.retain) throw refused("the server retains no messages");
    if (maximumPacketSize === undefined) return;
    const head: IPublishPacket = { cmd: "publish", messageId: 1, dup: false, ...message };
    const { length } = this.#codec.generate({ ...head, payload: "" }, { protocolVersion: 5 });
    // The length is written in up to three bytes more than that of nothing.
    const size = length + message.payload.length + 3;
    if (size <= maximumPacketSize) return;
    throw refused(
      `the message is ${size} bytes with all that goes with it, and the server takes up to ${maximumPacketSize}`,
    );
  }
}

function refused(text: string): BindingError {
  return new BindingError("invalid_argument", text);
}

function unsent(failure: BindingError): BindingError {
  return new BindingError("unavailable", failure.message, {
    effect: "unsent",
    systemCode: failure.systemCode,
  });
}

import type { Duplex } from "node:stream";
import type * as mqttPacket from "mqtt-packet";
import type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from "mqtt-packet";
import { BindingError, messageOf } from "../../../errors.ts";
import { IncomingMessage } from "../../../memory/incoming-message.ts";
import type { MemoryShare } from "../../../memory/budget.ts";
import { dial } from "../address.ts";
import type { BrokerAddress } from "../address.ts";
import { KeepAlive } from "../keep-alive.ts";

/** How a session begins and whom it tells. */
export type SessionOptions = {
  readonly address: BrokerAddress;
  readonly clientId: string;
  readonly clean: boolean;
  /** Milliseconds. */
  readonly keepAlive: number;
  readonly signal: AbortSignal;
  /** What the message counts in that is coming in. Absent: nothing large is awaited. */
  readonly memory?: MemoryShare;
  /** Called once if the connection ends otherwise than by `end`. */
  readonly lost: (reason: BindingError) => void;
  /** Messages in the order in which they came, all of one piece from the socket together. */
  readonly received?: (messages: readonly IPublishPacket[], session: MqttSession) => void;
};

type Waiting = { resolve: (packet: Packet) => void; reject: (error: BindingError) => void };

const answerTimeout = 10_000;
const endTimeout = 2000;

const refusals: Readonly<Record<number, readonly [BindingError["reason"], string]>> = {
  1: ["unimplemented", "it does not speak MQTT 3.1.1"],
  2: ["invalid_argument", "it does not accept the client id"],
  3: ["unavailable", "it takes no connections at the moment"],
  4: ["unauthenticated", "it does not know the user or password"],
  5: ["permission_denied", "it does not let this client connect"],
};

/**
 * One MQTT 3.1.1 connection, from CONNECT to its end. Reading never waits for what was read to be
 * handled: acknowledgements go out whenever they are told, so that many messages can be handled at
 * a time and a slow one does not keep the keep-alive's answers from being seen.
 */
export class MqttSession {
  readonly #codec: typeof mqttPacket;
  readonly #stream: Duplex;
  readonly #options: SessionOptions;
  readonly #keepAlive: KeepAlive;
  readonly #awaited = new Map<string, Waiting>();
  readonly #ended = Promise.withResolvers<void>();
  #identifier = 0;
  #pings = 0;
  #pongs = 0;
  #held = 0;
  /** Packets are held back until the end of the turn. */
  #writing = false;
  #batch: IPublishPacket[] = [];
  #failure: BindingError | undefined;
  #ending = false;
  #connected = false;
  // Whether `connect` has resolved or is about to.
  #introduced = false;
  /** Whether the broker still had a session of this client. */
  sessionPresent = false;

  private constructor(codec: typeof mqttPacket, stream: Duplex, options: SessionOptions) {
    this.#codec = codec;
    this.#stream = stream;
    this.#options = options;
    this.#keepAlive = new KeepAlive(
      options.keepAlive,
      () => this.#ping(),
      () => this.#fail(this.#lostError("it no longer answers")),
    );
    this.#listen();
  }

  /** Connects and introduces itself; rejects with the broker's refusal. */
  static async connect(options: SessionOptions): Promise<MqttSession> {
    if (options.signal.aborted) throw unconnected(options, "the attempt was cancelled");
    const session = new MqttSession(
      await import("mqtt-packet"),
      await dial(options.address),
      options,
    );
    const abort = (): void => session.#fail(unconnected(options, "the attempt was cancelled"));
    options.signal.addEventListener("abort", abort);
    try {
      await session.#introduce();
      return session;
    } catch (error) {
      session.#stream.destroy();
      throw error;
    } finally {
      options.signal.removeEventListener("abort", abort);
    }
  }

  /** Why the connection is of no use any more; `undefined` while it is. */
  get failure(): BindingError | undefined {
    return this.#failure;
  }

  /** Resolves once the broker has granted the subscription with QoS 1. */
  async subscribe(topic: string): Promise<void> {
    const messageId = this.#nextIdentifier();
    const answer = await this.#ask(`suback ${messageId}`, () =>
      this.#send({ cmd: "subscribe", messageId, subscriptions: [{ topic, qos: 1 }] }),
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
    const messageId = this.#nextIdentifier();
    await this.#ask(`puback ${messageId}`, () => {
      this.#send({ cmd: "publish", messageId, topic, payload, retain, qos: 1, dup: false });
    });
  }

  /** Tells the broker that a message it sent is done with. */
  acknowledge(messageId: number): void {
    this.#send({ cmd: "puback", messageId });
  }

  /** Resolves once the broker has worked through all that was sent before. */
  async roundTrip(): Promise<void> {
    // The answers come in the order of the questions, of which the keep-alive asks some too.
    await this.#ask(`pingresp ${this.#pings + 1}`, () => this.#ping());
  }

  /** Reads no more from the socket until `resume` was called as often. The keep-alive takes it into account. */
  hold(): void {
    this.#held++;
    this.#keepAlive.listening(false);
    this.#stream.pause();
  }

  resume(): void {
    if (--this.#held > 0) return;
    this.#keepAlive.listening(true);
    this.#stream.resume();
  }

  /** Says good-bye, so that the broker keeps the session as agreed. Never rejects. */
  async end(): Promise<void> {
    this.#ending = true;
    if (this.#failure === undefined) {
      this.#fail(this.#lostError("it was closed"));
      this.#stream.resume();
      this.#stream.end(this.#codec.generate({ cmd: "disconnect" }));
    }
    const timer = setTimeout(() => this.#stream.destroy(), endTimeout);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  #listen(): void {
    const { memory } = this.#options;
    const incoming = memory && new IncomingMessage(memory);
    const parser = this.#codec.parser({ protocolVersion: 4 });
    parser.on("packet", (packet) => this.#take(packet));
    parser.on("error", (error: unknown) =>
      this.#fail(this.#lostError(`what it says is not MQTT (${messageOf(error)})`)),
    );
    this.#stream.on("data", (piece: Buffer) => {
      this.#keepAlive.heard();
      if (this.#failure !== undefined) return;
      const held: unknown = parser.parse(piece);
      this.#deliver();
      const refusal = typeof held === "number" ? incoming?.holds(held) : undefined;
      if (refusal !== undefined) this.#fail(this.#lostError(refusal));
    });
    this.#stream.on("error", (error) => this.#fail(this.#lostError(messageOf(error), error)));
    this.#stream.on("end", () => this.#fail(this.#lostError("it closed the connection")));
    this.#stream.on("close", () => {
      incoming?.release();
      this.#fail(this.#lostError("it closed the connection"));
      this.#ended.resolve();
    });
  }

  async #introduce(): Promise<void> {
    const { clientId, clean, keepAlive, address } = this.#options;
    const answer = await this.#ask("connack", () => {
      this.#send({
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
    if (returnCode !== 0) {
      const [reason, text] = refusals[returnCode] ?? ["unavailable", `its answer is ${returnCode}`];
      this.#failure = new BindingError(reason, `${failedToConnect(this.#options)}: ${text}`, {
        effect: "unsent",
        systemCode: String(returnCode),
      });
      throw this.#failure;
    }
    this.#introduced = true;
    this.#keepAlive.start();
  }

  #take(packet: Packet): void {
    switch (packet.cmd) {
      case "publish":
        this.#batch.push(packet);
        return;
      case "connack":
        this.sessionPresent = packet.sessionPresent;
        this.#connected = packet.returnCode === 0;
        this.#answer(packet.cmd, packet);
        return;
      case "pingresp":
        this.#answer(`pingresp ${++this.#pongs}`, packet);
        return;
      case "puback":
      case "suback":
        this.#answer(`${packet.cmd} ${packet.messageId}`, packet);
        return;
      default:
        this.#fail(this.#lostError(`it sent ${packet.cmd}, which it must not`));
    }
  }

  #deliver(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#options.received?.(batch, this);
  }

  #answer(name: string, packet: Packet): void {
    const waiting = this.#awaited.get(name);
    this.#awaited.delete(name);
    waiting?.resolve(packet);
  }

  /**
   * Sends, and waits for the answer of that name. One that does not come in time fails the wait only;
   * its packet identifier stays taken, since the broker may still be at work.
   */
  #ask(name: string, send: () => void): Promise<Packet> {
    if (this.#failure !== undefined) {
      return Promise.reject(
        new BindingError("unavailable", this.#failure.message, { effect: "unsent" }),
      );
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(this.#timedOut());
      }, answerTimeout);
      this.#awaited.set(name, {
        resolve: (packet) => {
          clearTimeout(timer);
          resolve(packet);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      send();
    });
  }

  #send(packet: Packet): void {
    if (this.#failure !== undefined) return;
    this.#keepAlive.sent();
    this.#shareWrite();
    this.#codec.writeToStream(packet, this.#stream, { protocolVersion: 4 });
  }

  /** What is sent in one turn of the event loop goes out in one write, right after what is ready now. */
  #shareWrite(): void {
    if (this.#writing) return;
    this.#writing = true;
    this.#stream.cork();
    setImmediate(() => {
      this.#writing = false;
      this.#stream.uncork();
    });
  }

  #ping(): void {
    this.#pings++;
    this.#send({ cmd: "pingreq" });
  }

  #nextIdentifier(): number {
    if (this.#awaited.size > 60_000) {
      throw new BindingError(
        "resource_exhausted",
        "too many messages wait for the broker's answer",
        {
          effect: "unsent",
        },
      );
    }
    do this.#identifier = (this.#identifier % 65_535) + 1;
    while (
      this.#awaited.has(`puback ${this.#identifier}`) ||
      this.#awaited.has(`suback ${this.#identifier}`)
    );
    return this.#identifier;
  }

  #fail(reason: BindingError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#keepAlive.stop();
    for (const { reject } of this.#awaited.values()) reject(reason);
    this.#awaited.clear();
    if (this.#ending) return;
    this.#stream.destroy();
    if (this.#introduced) this.#options.lost(reason);
  }

  #timedOut(): BindingError {
    if (this.#connected) {
      return new BindingError("deadline_exceeded", "mqtt client timeout", { effect: "ambiguous" });
    }
    const text = `${failedToConnect(this.#options)}: mqtt client timed out connecting`;
    return new BindingError("deadline_exceeded", text, { effect: "unsent" });
  }

  #lostError(why: string, cause?: unknown): BindingError {
    if (!this.#connected) return unconnected(this.#options, why, cause);
    const { host, port } = this.#options.address;
    return new BindingError(
      "unavailable",
      `the connection to the MQTT broker at ${host}:${port} was lost: ${why}`,
      {
        effect: "ambiguous",
        cause,
        systemCode: codeOf(cause),
      },
    );
  }
}

function failedToConnect({ address }: SessionOptions): string {
  return `failed to connect to the MQTT broker at ${address.host}:${address.port}`;
}

function unconnected(options: SessionOptions, why: string, cause?: unknown): BindingError {
  return new BindingError("unavailable", `${failedToConnect(options)}: ${why}`, {
    effect: "unsent",
    cause,
    systemCode: codeOf(cause),
  });
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined;
}

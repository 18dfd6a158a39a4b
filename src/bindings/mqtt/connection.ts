import type { Duplex } from "node:stream";
import type * as mqttPacket from "mqtt-packet";
import type { Packet } from "mqtt-packet";
import { BindingError, messageOf } from "../../errors.ts";
import { IncomingMessage } from "../../memory/incoming-message.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { dial } from "./address.ts";
import type { BrokerAddress } from "./address.ts";
import { KeepAlive } from "./keep-alive.ts";

/** How a connection is made and whom it tells of its end. */
export type ConnectionOptions = {
  readonly address: BrokerAddress;
  /** Milliseconds. */
  readonly keepAlive: number;
  readonly signal: AbortSignal;
  /** What the message counts in that is coming in. Absent: nothing large is awaited. */
  readonly memory?: MemoryShare;
  /** Called once if the connection ends otherwise than by `end`. */
  readonly lost: (reason: BindingError) => void;
};

/** Makes packets of what comes from the socket. */
export type Decoder = {
  /** Returns how many bytes of a packet are held that is not whole. Throws where it is no MQTT. */
  parse(piece: Buffer): unknown;
  /** How long that packet is, where it says so. */
  readonly announced?: number;
};

/** What a version of the protocol does with the packets. */
export type Protocol<Incoming> = {
  readonly version: 4 | 5;
  readonly codec: typeof mqttPacket;
  readonly decoder: (
    packet: (packet: Incoming) => void,
    failed: (error: unknown) => void,
  ) => Decoder;
  /** Says who is there. Returns the keep-alive in milliseconds where the broker has another one in mind. */
  readonly introduce: () => Promise<number | undefined>;
  /** Called with each packet. */
  readonly take: (packet: Incoming) => void;
  /** Called when all packets of one piece from the socket were taken. */
  readonly taken: () => void;
  /** Called once, when the connection is of no use any more. */
  readonly failed?: (reason: BindingError) => void;
};

type Waiting<Incoming> = {
  resolve: (packet: Incoming) => void;
  reject: (error: BindingError) => void;
};

const answerTimeout = 10_000;
const endTimeout = 2000;
const mostIdentifiers = 60_000;

/**
 * One connection that speaks MQTT, of whichever version, from its first packet to its end. Reading never waits for
 * what was read to be handled: acknowledgements go out whenever they are told, so that many messages can be handled at
 * a time and a slow one does not keep the keep-alive's answers from being seen.
 */
export class Connection<Incoming> {
  readonly #protocol: Protocol<Incoming>;
  readonly #stream: Duplex;
  readonly #options: ConnectionOptions;
  readonly #awaited = new Map<string, Waiting<Incoming>>();
  readonly #identifiers = new Set<number>();
  readonly #ended = Promise.withResolvers<void>();
  #keepAlive: KeepAlive;
  #identifier = 0;
  #pings = 0;
  #pongs = 0;
  #held = 0;
  /** Packets are held back until the end of the turn. */
  #writing = false;
  #failure: BindingError | undefined;
  #ending = false;
  /** The broker has accepted the connection. */
  connected = false;
  // Whether `dial` has resolved or is about to.
  #introduced = false;

  private constructor(
    stream: Duplex,
    options: ConnectionOptions,
    protocol: (connection: Connection<Incoming>) => Protocol<Incoming>,
  ) {
    this.#stream = stream;
    this.#options = options;
    this.#protocol = protocol(this);
    this.#keepAlive = this.#keepAliveOf(options.keepAlive);
    this.#listen();
  }

  /** Connects and introduces itself; rejects with the broker's refusal. */
  static async dial<Incoming>(
    options: ConnectionOptions,
    protocol: (connection: Connection<Incoming>) => Protocol<Incoming>,
  ): Promise<void> {
    if (options.signal.aborted) throw unconnected(options, "the attempt was cancelled");
    const connection = new Connection(await dial(options.address), options, protocol);
    const abort = (): void => connection.fail(unconnected(options, "the attempt was cancelled"));
    options.signal.addEventListener("abort", abort);
    try {
      const keepAlive = await connection.#protocol.introduce();
      if (keepAlive !== undefined) connection.#keepAlive = connection.#keepAliveOf(keepAlive);
      connection.#introduced = true;
      connection.#keepAlive.start();
    } catch (error) {
      connection.#failure ??= BindingError.from(error);
      connection.#stream.destroy();
      throw error;
    } finally {
      options.signal.removeEventListener("abort", abort);
    }
  }

  /** Why the connection is of no use any more; `undefined` while it is. */
  get failure(): BindingError | undefined {
    return this.#failure;
  }

  /**
   * Sends, and waits for the answer of that name. One that does not come in time fails the wait only;
   * its packet identifier stays taken, since the broker may still be at work.
   */
  ask(name: string, send: () => void): Promise<Incoming> {
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

  /** Gives a packet to who waits for the answer of that name, if anybody does. */
  answer(name: string, packet: Incoming): void {
    const waiting = this.#awaited.get(name);
    this.#awaited.delete(name);
    waiting?.resolve(packet);
  }

  /** The answers to pings come in the order of these. */
  answerPing(packet: Incoming): void {
    this.answer(`pingresp ${++this.#pongs}`, packet);
  }

  send(packet: Packet): void {
    if (this.#failure !== undefined) return;
    this.#keepAlive.sent();
    this.#shareWrite();
    const { codec, version } = this.#protocol;
    codec.writeToStream(packet, this.#stream, { protocolVersion: version });
  }

  /** Sends, and resolves once the packet has left this process. */
  sendOut(packet: Packet): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#keepAlive.sent();
    this.#shareWrite();
    const { codec, version } = this.#protocol;
    return new Promise((resolve, reject) => {
      this.#stream.write(codec.generate(packet, { protocolVersion: version }), (error) => {
        if (!error) resolve();
        else reject(this.#failure ?? this.lostError(messageOf(error), error));
      });
    });
  }

  /** A packet identifier that is not in use, until `freeIdentifier`. */
  takeIdentifier(): number {
    if (this.#identifiers.size > mostIdentifiers) {
      throw new BindingError(
        "resource_exhausted",
        "too many messages wait for the broker's answer",
        {
          effect: "unsent",
        },
      );
    }
    do this.#identifier = (this.#identifier % 65_535) + 1;
    while (this.#identifiers.has(this.#identifier));
    this.#identifiers.add(this.#identifier);
    return this.#identifier;
  }

  /** False: nothing used it. */
  freeIdentifier(identifier: number | undefined): boolean {
    return identifier !== undefined && this.#identifiers.delete(identifier);
  }

  /** Resolves once the broker has worked through all that was sent before. */
  async roundTrip(): Promise<void> {
    // The answers come in the order of the questions, of which the keep-alive asks some too.
    await this.ask(`pingresp ${this.#pings + 1}`, () => this.#ping());
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
      this.fail(this.lostError("it was closed"));
      this.#stream.resume();
      const { codec, version } = this.#protocol;
      const goodbye: Packet = { cmd: "disconnect", reasonCode: 0 };
      this.#stream.end(codec.generate(goodbye, { protocolVersion: version }));
    }
    const timer = setTimeout(() => this.#stream.destroy(), endTimeout);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  /** The connection is of no use any more. */
  fail(reason: BindingError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#keepAlive.stop();
    for (const { reject } of this.#awaited.values()) reject(reason);
    this.#awaited.clear();
    this.#protocol.failed?.(reason);
    if (this.#ending) return;
    this.#stream.destroy();
    if (this.#introduced) this.#options.lost(reason);
  }

  /** What an end of the connection means for who waits for an answer. */
  lostError(why: string, cause?: unknown, systemCode = codeOf(cause)): BindingError {
    if (!this.connected) return unconnected(this.#options, why, cause, systemCode);
    const { host, port } = this.#options.address;
    const text = `the connection to the MQTT broker at ${host}:${port} was lost: ${why}`;
    return new BindingError("unavailable", text, { effect: "ambiguous", cause, systemCode });
  }

  #listen(): void {
    const { memory } = this.#options;
    const incoming = memory && new IncomingMessage(memory);
    const malformed = (error: unknown): void =>
      this.fail(this.lostError(`what it says is not MQTT (${messageOf(error)})`));
    const decoder = this.#protocol.decoder((packet) => this.#protocol.take(packet), malformed);
    this.#stream.on("data", (piece: Buffer) => {
      this.#keepAlive.heard();
      if (this.#failure !== undefined) return;
      let held: unknown;
      try {
        held = decoder.parse(piece);
      } catch (error) {
        malformed(error);
      }
      this.#protocol.taken();
      if (typeof held !== "number") return;
      const refusal = incoming?.holds(held) ?? incoming?.announced(decoder.announced ?? 0);
      if (refusal !== undefined) this.fail(this.lostError(refusal));
    });
    this.#stream.on("error", (error) => this.fail(this.lostError(messageOf(error), error)));
    this.#stream.on("end", () => this.fail(this.lostError("it closed the connection")));
    this.#stream.on("close", () => {
      incoming?.release();
      this.fail(this.lostError("it closed the connection"));
      this.#ended.resolve();
    });
  }

  #keepAliveOf(milliseconds: number): KeepAlive {
    return new KeepAlive(
      milliseconds,
      () => this.#ping(),
      () => this.fail(this.lostError("it no longer answers")),
    );
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
    this.send({ cmd: "pingreq" });
  }

  #timedOut(): BindingError {
    if (this.connected) {
      return new BindingError("deadline_exceeded", "mqtt client timeout", { effect: "ambiguous" });
    }
    const text = `${failedToConnect(this.#options)}: mqtt client timed out connecting`;
    return new BindingError("deadline_exceeded", text, { effect: "unsent" });
  }
}

/** How a refusal of the connection begins. */
export function failedToConnect({ address }: Pick<ConnectionOptions, "address">): string {
  return `failed to connect to the MQTT broker at ${address.host}:${address.port}`;
}

function unconnected(
  options: ConnectionOptions,
  why: string,
  cause?: unknown,
  systemCode = codeOf(cause),
): BindingError {
  return new BindingError("unavailable", `${failedToConnect(options)}: ${why}`, {
    effect: "unsent",
    cause,
    systemCode,
  });
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined;
}

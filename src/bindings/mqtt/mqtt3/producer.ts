import { BindingError, messageOf } from "../../../errors.ts";
import type { BrokerAddress } from "../address.ts";
import { MqttSession } from "./session.ts";
import { checkTopicName } from "../topics.ts";

export type ProducerOptions = {
  readonly address: BrokerAddress;
  readonly clientId: string;
  /** Milliseconds. */
  readonly keepAlive: number;
  /** Called once when the connection has ended by itself. */
  readonly lost: (reason: BindingError) => void;
};

const largestPayload = 256 * 1024 * 1024 - 128 * 1024;
const connectTimeout = 10_000;

/**
 * Who in this process sends under a client id. A broker lets each be connected once and cuts the
 * older connection, so at a reload the older producer is asked to finish first.
 */
const holders = new Map<string, Producer>();

/** Sends messages on a connection of its own, made at the first. */
export class Producer {
  readonly #options: ProducerOptions;
  readonly #identity: string;
  readonly #sending = new Set<Promise<void>>();
  #session: Promise<MqttSession> | undefined;
  #closed = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#identity = `${options.address.host}:${options.address.port} ${options.clientId}`;
  }

  /** Resolves once the broker has taken the message over; it may then be repeated by nobody. */
  async publish(
    topic: string,
    payload: Buffer,
    retain: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    checkTopicName(topic);
    if (payload.length > largestPayload) {
      throw new BindingError(
        "invalid_argument",
        `failed to publish: MQTT carries at most ${largestPayload} bytes`,
      );
    }
    if (signal.aborted) throw gaveUp(signal, "unsent");
    const sending = this.#send(topic, payload, retain);
    this.#sending.add(sending);
    const done = (): unknown => this.#sending.delete(sending);
    sending.then(done, done);
    await abortable(sending, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (holders.get(this.#identity) === this) holders.delete(this.#identity);
    await this.#disconnect();
  }

  async #send(topic: string, payload: Buffer, retain: boolean): Promise<void> {
    try {
      const session = await this.#connected();
      await session.publish(topic, payload, retain);
    } catch (error) {
      const { reason, effect, systemCode, message } = BindingError.from(error, "unavailable");
      throw new BindingError(reason, `failed to publish: ${message}`, {
        effect,
        systemCode,
        cause: error,
      });
    }
  }

  #connected(): Promise<MqttSession> {
    if (this.#session !== undefined) return this.#session;
    const connecting = this.#connect();
    this.#session = connecting;
    connecting.catch(() => {
      if (this.#session === connecting) this.#session = undefined;
    });
    return connecting;
  }

  async #connect(): Promise<MqttSession> {
    if (this.#closed)
      throw new BindingError("unavailable", "the component was closed", { effect: "unsent" });
    const before = holders.get(this.#identity);
    holders.set(this.#identity, this);
    if (before !== undefined && before !== this) await before.#retire();
    return MqttSession.connect({
      ...this.#options,
      // A session that outlives the connection would be of no use: it holds what is to be read.
      clean: true,
      signal: AbortSignal.timeout(connectTimeout),
    });
  }

  /** Lets what is being sent end, and frees the client id; connects again if it has more to send. */
  async #retire(): Promise<void> {
    await Promise.allSettled(this.#sending);
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    const connecting = this.#session;
    this.#session = undefined;
    const session = await connecting?.catch(() => undefined);
    await session?.end();
  }
}

async function abortable(sending: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(gaveUp(signal, "ambiguous"));
  signal.addEventListener("abort", giveUp);
  try {
    await Promise.race([sending, aborted]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

function gaveUp(signal: AbortSignal, effect: BindingError["effect"]): BindingError {
  const late = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
  return new BindingError(
    late ? "deadline_exceeded" : "cancelled",
    late
      ? "failed to publish: context deadline exceeded"
      : `failed to publish: cancelled (${messageOf(signal.reason)})`,
    { effect, cause: signal.reason },
  );
}

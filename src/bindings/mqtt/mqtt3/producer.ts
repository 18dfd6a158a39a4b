import { BindingError } from "../../../errors.ts";
import type { BrokerAddress } from "../address.ts";
import { Sender } from "../sender.ts";
import { checkTopicName } from "../topics.ts";
import { MqttSession } from "./session.ts";

export type ProducerOptions = {
  readonly address: BrokerAddress;
  readonly clientId: string;
  /** Milliseconds. */
  readonly keepAlive: number;
  /** Called once when the connection has ended by itself. */
  readonly lost: (reason: BindingError) => void;
};

const largestPayload = 256 * 1024 * 1024 - 128 * 1024;

/** Sends messages on a connection of its own, made at the first. */
export class Producer {
  readonly #sender: Sender<MqttSession>;

  constructor(options: ProducerOptions) {
    this.#sender = new Sender({
      identity: `${options.address.host}:${options.address.port} ${options.clientId}`,
      // A session that outlives the connection would be of no use: it holds what is to be read.
      connect: (signal) => MqttSession.connect({ ...options, clean: true, signal }),
    });
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
    await this.#sender.send((session) => session.publish(topic, payload, retain), signal);
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}

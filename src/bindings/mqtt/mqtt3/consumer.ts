import type { IPublishPacket } from "mqtt-packet";
import type { InboundEvent, Reader, Reading } from "../../../binding.ts";
import type { BrokerAddress } from "../address.ts";
import { deliver } from "../deliver.ts";
import { StallWatch } from "../stall-watch.ts";
import { UnacknowledgedMessages } from "../unacknowledged-messages.ts";
import type { mqttFields } from "./fields.ts";
import { MqttSession } from "./session.ts";

const connectTimeout = 10_000;

/** Subscribes under the consumer's identity, with a connection of the reader's own. */
export async function startConsumer(
  address: BrokerAddress,
  clientId: string,
  reading: Reading<typeof mqttFields>,
): Promise<Reader> {
  const consumer = new Consumer(address, clientId, reading);
  await consumer.start();
  return consumer;
}

class Consumer implements Reader {
  readonly #address: BrokerAddress;
  readonly #clientId: string;
  readonly #reading: Reading<typeof mqttFields>;
  readonly #unsettled: UnacknowledgedMessages;
  readonly #watch: StallWatch;
  #session: MqttSession | undefined;
  #known = false;
  #stopped = false;

  constructor(address: BrokerAddress, clientId: string, reading: Reading<typeof mqttFields>) {
    this.#address = address;
    this.#clientId = clientId;
    this.#reading = reading;
    this.#unsettled = UnacknowledgedMessages.of(`${address.host}:${address.port} ${clientId}`);
    this.#watch = new StallWatch(this.#unsettled, reading.logger);
  }

  async start(): Promise<void> {
    const { metadata, lost, signal } = this.#reading;
    const session = await MqttSession.connect({
      address: this.#address,
      clientId: this.#clientId,
      clean: metadata.cleanSession,
      keepAlive: metadata.keepAlive,
      signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeout)]),
      lost,
      memory: this.#reading.memory,
      received: (messages, session) => this.#take(messages, session),
    });
    this.#session = session;
    this.#meet(session);
    try {
      // Also where the session is still there: the topic may be another one now.
      await session.subscribe(metadata.topic);
    } catch (error) {
      await session.end();
      throw error;
    }
    this.#tellBeginning(session);
    this.#watch.start();
  }

  stop(): void {
    this.#stopped = true;
  }

  async flush(): Promise<void> {
    await this.#session?.roundTrip();
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#watch.stop();
    await this.#session?.end();
  }

  /** Before the first message, which may come in one piece with the broker's greeting. */
  #meet(session: MqttSession): void {
    if (this.#known) return;
    this.#known = true;
    if (!session.sessionPresent) this.#unsettled.forget();
  }

  /** Where the broker has kept no session, what was sent before has not come and will not. */
  #tellBeginning({ sessionPresent }: MqttSession): void {
    const { metadata, logger, notice } = this.#reading;
    if (metadata.cleanSession) return;
    const { hadSession } = this.#unsettled;
    this.#unsettled.hadSession = true;
    if (sessionPresent) return;
    const client = { clientId: this.#clientId };
    if (!hadSession)
      return logger.info(client, "the broker begins a session; what was sent before does not come");
    const time = new Date().toISOString();
    notice(
      `at ${time} the broker had no session of ${this.#clientId} any more: what was sent since the last connection, and what was unhandled, does not come`,
    );
  }

  #take(messages: readonly IPublishPacket[], session: MqttSession): void {
    this.#meet(session);
    this.#watch.received();
    // Without an acknowledgement the broker keeps them for the next connection.
    if (this.#stopped) return;
    const events = messages
      .map((message) => this.#eventOf(message, session))
      .filter((event) => event !== undefined);
    if (events.length > 0) deliver(events, this.#reading, session);
  }

  #eventOf(message: IPublishPacket, session: MqttSession): InboundEvent | undefined {
    const metadata: Record<string, string> = { topic: message.topic };
    if (message.retain) metadata["retained"] = "true";
    if (message.dup) metadata["duplicate"] = "true";
    const redelivered = message.dup;
    const event = { data: message.payload as Buffer, metadata, headers: [], redelivered };
    if (message.messageId === undefined || message.qos === 0) return { ...event, settle() {} };
    const entry = this.#unsettled.take(message, message.messageId, session);
    if (entry === undefined) return undefined;
    return {
      ...event,
      settle: ({ outcome }) => {
        if (outcome === "handled") this.#unsettled.handled(entry);
        else this.#unsettled.returned(entry);
      },
    };
  }
}

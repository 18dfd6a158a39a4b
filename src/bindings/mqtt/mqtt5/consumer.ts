import type { InboundEvent, Reader, Reading } from "../../../binding.ts";
import type { BrokerAddress } from "../address.ts";
import { deliver } from "../deliver.ts";
import { StallWatch } from "../stall-watch.ts";
import { UnacknowledgedMessages } from "../unacknowledged-messages.ts";
import { eventOf, identifierOf } from "./events.ts";
import type { mqttFields } from "./fields.ts";
import { qosOf, seconds, willOf } from "./message.ts";
import type { PublishPacket } from "./packets.ts";
import { Session, type Subscription } from "./session.ts";

const connectTimeout = 10_000;
const mostUnacknowledged = 65_535;
const retainHandlings = { always: 0, new: 1, never: 2 } as const;

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
  readonly #filters: ReadonlyMap<number, string>;
  readonly #unsettled: UnacknowledgedMessages;
  readonly #watch: StallWatch;
  #session: Session | undefined;
  #known = false;
  #stopped = false;

  constructor(address: BrokerAddress, clientId: string, reading: Reading<typeof mqttFields>) {
    this.#address = address;
    this.#clientId = clientId;
    this.#reading = reading;
    const { topic = [] } = reading.metadata;
    this.#filters = new Map(topic.map((filter) => [identifierOf(filter), filter]));
    this.#unsettled = UnacknowledgedMessages.of(`${address.host}:${address.port} ${clientId}`);
    this.#watch = new StallWatch(this.#unsettled, reading.logger);
  }

  async start(): Promise<void> {
    const { metadata, lost, signal, memory } = this.#reading;
    const session = await Session.connect({
      address: this.#address,
      clientId: this.#clientId,
      cleanStart: metadata.cleanStart && !this.#unsettled.hadSession,
      keepAlive: metadata.keepAlive,
      signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeout)]),
      ...{ lost, memory },
      will: willOf(metadata),
      properties: this.#properties(),
      received: (messages, session) => this.#take(messages, session),
      released: (identifier) => this.#unsettled.released(identifier),
    });
    this.#session = session;
    this.#meet(session);
    try {
      // Also where the session is still there: the topics may be others now.
      const granted = await Promise.all(
        this.#subscriptions().map((subscription) => session.subscribe(subscription)),
      );
      this.#tellLower(granted);
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

  #properties() {
    const { metadata, maxInFlight, memory } = this.#reading;
    const { maximumPacketSize, receiveMaximum } = metadata;
    return {
      sessionExpiryInterval: seconds(metadata.sessionExpiryInterval),
      // As many again may wait for a retry: it cannot grow with them, as it holds for the whole connection.
      receiveMaximum: receiveMaximum ?? Math.min(mostUnacknowledged, 2 * maxInFlight),
      topicAliasMaximum: metadata.topicAliasMaximum,
      // Without it nothing is said: what is larger the server would drop, and nobody would know.
      ...(maximumPacketSize === undefined || maximumPacketSize === 0
        ? {}
        : { maximumPacketSize: Math.min(maximumPacketSize, memory.limit) }),
    };
  }

  #subscriptions(): Subscription[] {
    const { metadata } = this.#reading;
    return [...new Set(metadata.topic)].map((topic) => ({
      ...{ topic, identifier: identifierOf(topic) },
      qos: qosOf(metadata.qos),
      nl: false,
      rap: metadata.retainAsPublished,
      rh: retainHandlings[metadata.retainHandling],
    }));
  }

  /** Before the first message, which may come in one piece with the server's greeting. */
  #meet(session: Session): void {
    if (this.#known) return;
    this.#known = true;
    if (!session.sessionPresent) this.#unsettled.forget();
  }

  /** Where the server has kept no session, what was sent before has not come and will not. */
  #tellBeginning({ sessionPresent, limits }: Session): void {
    const { metadata, logger, notice } = this.#reading;
    const asked = seconds(metadata.sessionExpiryInterval);
    const given = limits.sessionExpiryInterval ?? asked;
    if (given < asked) {
      const times = { asked: `${asked}s`, given: `${given}s` };
      logger.warn(times, "the server keeps the session for a shorter time than asked for");
    }
    const { hadSession } = this.#unsettled;
    this.#unsettled.hadSession = true;
    if (sessionPresent || given === 0) return;
    const client = { clientId: this.#clientId };
    if (!hadSession)
      return logger.info(client, "the server begins a session; what was sent before does not come");
    const time = new Date().toISOString();
    notice(
      `at ${time} the server had no session of ${this.#clientId} any more: what was sent since the last connection, and what was unhandled, does not come`,
    );
  }

  #tellLower(granted: readonly number[]): void {
    const { metadata, notice } = this.#reading;
    const lowest = Math.min(...granted);
    if (lowest >= metadata.qos) return;
    const lossy = lowest === 0 ? ", with which messages are lost while nobody reads" : "";
    notice(`the server grants QoS ${lowest} in place of ${metadata.qos}${lossy}`);
  }

  #take(messages: readonly PublishPacket[], session: Session): void {
    this.#meet(session);
    this.#watch.received();
    // Without an acknowledgement the server keeps them for the next connection.
    if (this.#stopped) return;
    const events = messages
      .map((message) => this.#eventOf(message, session))
      .filter((event) => event !== undefined);
    if (events.length > 0) deliver(events, this.#reading, session);
  }

  #eventOf(message: PublishPacket, session: Session): InboundEvent | undefined {
    const { messageId } = message;
    if (messageId === undefined) return { ...eventOf(message, this.#filters), settle() {} };
    const entry = this.#unsettled.take(message, messageId, session);
    if (entry === undefined) return undefined;
    return {
      ...eventOf(message, this.#filters),
      settle: ({ outcome }) => {
        if (outcome === "handled") this.#unsettled.handled(entry);
        else this.#unsettled.returned(entry);
      },
    };
  }
}

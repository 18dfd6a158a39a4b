import { abortFailure } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { HandledMessages } from "../../handled-messages.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { AmqpConnection } from "../../amqp-client/connection.ts";
import type { Driver, RawReceiver, TransferFrame } from "../../amqp-client/driver.ts";
import { contentOf, nameOf, type MessageName } from "./events.ts";
import { LastAccepted } from "./last-accepted.ts";
import { refusal } from "../../amqp-client/failures.ts";
import type { amqpFields } from "./fields.ts";
import type { Delivery } from "../../amqp-client/receiving-options.ts";
import type { Outcome } from "../../amqp-client/settlements.ts";
import {
  grantCredit,
  sendFlow,
  sendOutcomes,
  takeFlow,
  Transfers,
} from "../../amqp-client/transfers.ts";
import { sourceOf } from "./source.ts";

const answerTimeout = 10_000;
const confirmTimeout = 5000;
const largestCredit = 65_535;

/** Opens the reader's connection, unless the signal is aborted before. */
export type ConnectInput = (signal: AbortSignal) => Promise<AmqpConnection>;

/**
 * Reads an address. The driver attaches the link; transfers, dispositions and credit are done here: its own dispositions
 * merge different outcomes, a message that it cannot decode ends its connection, and one that stays unsettled ends its
 * session's window after 2048 others.
 */
export class Consumer implements Reader {
  readonly #reading: Reading<typeof amqpFields>;
  readonly #driver: Driver;
  readonly #transfers: Transfers;
  readonly #handled: HandledMessages;
  readonly #accepted = new LastAccepted();
  #connection: AmqpConnection | undefined;
  #link: RawReceiver | undefined;
  #returnAs: Outcome = "modified";
  #window = 0;
  #batch: InboundEvent[] = [];
  /** Handed out and not settled, or not yet told to the server. */
  readonly #open = new Set<number>();
  readonly #noted = new Map<number, Outcome>();
  /** Returned, and kept for a pause. */
  readonly #pauses = new Map<
    number,
    { readonly timer: NodeJS.Timeout; readonly end: () => void }
  >();
  #scheduled = false;
  #started = false;
  #stopped = false;
  #closed = false;
  #lost: BindingError | undefined;
  /** Set while the server uses up the credit it has. */
  #drained: PromiseWithResolvers<void> | undefined;
  /** Set once the link is ended from here. */
  #detached: Promise<void> | undefined;

  /** `handled`: of what is read here, by this reader and those before it. */
  constructor(driver: Driver, reading: Reading<typeof amqpFields>, handled: HandledMessages) {
    this.#driver = driver;
    this.#handled = handled;
    this.#reading = reading;
    this.#transfers = new Transfers(reading.memory);
  }

  async start(connectInput: ConnectInput): Promise<void> {
    const connection = await connectInput(this.#reading.signal);
    this.#connection = connection;
    connection.onEnd((reason) => this.#lose(reason));
    connection.session.on_transfer = (frame) => this.#transfer(frame);
    this.#returnAs = this.#reading.metadata.returnAs ?? returnOf(connection);
    await this.#attach(connection);
    this.#started = true;
    this.credit(this.#reading.maxInFlight);
    if (this.#lost !== undefined) throw this.#lost;
  }

  credit(events: number): void {
    const { linkCredit } = this.#reading.metadata;
    const most = linkCredit === 0 ? largestCredit : linkCredit;
    this.#window = Math.max(1, Math.min(most, Math.floor(events)));
    this.#accepted.keep(this.#window);
    this.#grant(true);
  }

  stop(): void {
    this.#stopped = true;
    for (const { end } of [...this.#pauses.values()]) end();
    const [connection, link] = [this.#connection, this.#link];
    if (connection === undefined || link === undefined) return;
    if (this.#lost !== undefined || link.credit === 0) return;
    // What is on its way all the same is given back.
    link.credit = 0;
    sendFlow(connection, link);
  }

  async flush(): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#detached !== undefined) return;
    if (this.#lost !== undefined) throw this.#lost;
    this.#write();
    // A disposition has no answer of its own. A session works through what it gets in order, so once the server answers
    // something else, it has the dispositions: the end of the link, or, while it reads, the end of its credit.
    if (this.#stopped) {
      await this.#answered(() => (this.#detached = this.#detach(link)));
      this.#accepted.take();
      return;
    }
    if (link.credit === 0) link.credit = 1;
    await this.#answered((connection) => this.#drain(connection, link));
    this.#grant(true);
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#closed = true;
    const link = this.#link;
    if (this.#lost === undefined && link !== undefined && this.#detached === undefined) {
      this.#detached = this.#detach(link);
    }
    this.#abandon(new BindingError("unavailable", "the reader was closed", { effect: "unsent" }));
    await this.#connection?.close();
  }

  async #attach(connection: AmqpConnection): Promise<void> {
    const { metadata } = this.#reading;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const what = `${metadata.address} cannot be read`;
    const link = connection.session.open_receiver(sourceOf(this.#driver, metadata));
    this.#link = link;
    const ended = (): void => {
      if (this.#detached !== undefined) return;
      const reason = link.error?.condition
        ? refusal(what, link.error)
        : new BindingError("unavailable", `${what}: the server closed the link`, {
            effect: "unsent",
          });
      reject(reason);
      this.#lose(reason);
    };
    link.on("receiver_error", ended);
    link.on("receiver_close", ended);
    link.on_flow = ({ performative }) => {
      if (takeFlow(link, performative)) this.#drained?.resolve();
    };
    link.on("receiver_open", () => {
      // A refused link is opened without a source, and closed with the reason right after.
      if (link.source !== null && link.source !== undefined) resolve();
    });
    const forget = connection.onEnd(reject);
    const late = new BindingError("deadline_exceeded", `${what}: the server does not answer`, {
      effect: "unsent",
    });
    const timer = setTimeout(() => reject(late), answerTimeout);
    const { signal } = this.#reading;
    const giveUp = (): void => reject(abortFailure(what, signal.reason, "unsent"));
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      forget();
      signal.removeEventListener("abort", giveUp);
    }
  }

  #transfer(frame: TransferFrame): void {
    const [connection, link] = [this.#connection, this.#link];
    if (connection === undefined || link === undefined || this.#lost !== undefined) return;
    const delivery = this.#transfers.take(connection, link, frame);
    if (delivery === undefined) return;
    if (delivery === "aborted") this.#grant(false);
    else this.#take(delivery);
    if (link.credit === 0) this.#drained?.resolve();
  }

  #take({ id, format, settled, message }: Delivery): void {
    const { metadata } = this.#reading;
    if (!settled) this.#open.add(id);
    if (this.#stopped) {
      if (!settled) this.#note(id, "released");
      return;
    }
    const content = contentOf(message, format, metadata.address);
    const name = nameOf(content);
    if (!settled && this.#wasHandled(name, content.redelivered)) {
      return this.#note(id, "accepted", name);
    }
    this.#batch.push({
      ...content,
      key: metadata.linkCredit === 1 ? metadata.address : content.key,
      settle: (settlement) => {
        if (!settled) this.#settle(id, name, settlement);
      },
    });
    if (this.#batch.length === 1) queueMicrotask(() => this.#deliver());
    if (settled) this.#grant(false);
  }

  /** Whether an earlier connection was lost with its acceptance. */
  #wasHandled(name: MessageName | undefined, redelivered: boolean | undefined): boolean {
    if (name === undefined || this.#handled.isEmpty) return false;
    return this.#handled.delete(JSON.stringify(name)) && redelivered !== false;
  }

  #settle(id: number, name: MessageName | undefined, settlement: Settlement): void {
    if (this.#lost !== undefined || !this.#open.has(id)) return;
    if (settlement.outcome === "handled") return this.#note(id, "accepted", name);
    const outcome = settlement.unattempted === true ? "released" : this.#returnAs;
    const pause = this.#stopped ? 0 : Math.min(settlement.after ?? 0, longestTimer);
    if (pause <= 0) return this.#note(id, outcome);
    const end = (): void => {
      clearTimeout(timer);
      this.#pauses.delete(id);
      this.#note(id, outcome);
    };
    const timer = setTimeout(end, pause);
    this.#pauses.set(id, { timer, end });
  }

  #note(id: number, outcome: Outcome, accepted?: MessageName): void {
    this.#noted.set(id, outcome);
    if (accepted !== undefined) this.#accepted.add(accepted);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#write();
    });
  }

  /** Sends what is noted. */
  #write(): void {
    const [connection, link] = [this.#connection, this.#link];
    if (connection === undefined || link === undefined) return;
    if (this.#lost !== undefined || this.#noted.size === 0) return;
    // The end of the link has given back what it had.
    if (this.#detached !== undefined) return;
    sendOutcomes(this.#driver, connection, link, this.#noted, true);
    for (const id of this.#noted.keys()) this.#open.delete(id);
    this.#noted.clear();
    this.#grant(false);
  }

  #grant(now: boolean): void {
    const [connection, link] = [this.#connection, this.#link];
    if (connection === undefined || link === undefined) return;
    if (!this.#started || this.#stopped || this.#lost !== undefined) return;
    grantCredit(connection, link, { window: this.#window, held: this.#open.size, now });
  }

  /** Has the server use up its credit; resolves once it has. */
  #drain(connection: AmqpConnection, link: RawReceiver): Promise<void> {
    this.#drained = Promise.withResolvers<void>();
    link.drain = true;
    sendFlow(connection, link);
    return this.#drained.promise.finally(() => {
      this.#drained = undefined;
      link.drain = false;
    });
  }

  /** Ends the link; resolves once the server has. */
  #detach(link: RawReceiver): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    link.once("receiver_close", () => resolve());
    // A closed link would take the durable subscription with it.
    if (this.#reading.metadata.subscriptionName) link.detach();
    else link.close();
    return promise;
  }

  /** Waits for the server's answer, and no longer than the connection lasts. */
  async #answered(ask: (connection: AmqpConnection) => Promise<void>): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const text = "the server has not confirmed the settlements";
      reject(new BindingError("deadline_exceeded", text, { effect: "ambiguous" }));
    }, confirmTimeout);
    const forget = connection.onEnd(reject);
    try {
      await Promise.race([ask(connection), promise]);
    } finally {
      clearTimeout(timer);
      forget();
    }
  }

  /** All that came in one piece from the socket. The credit is what bounds it. */
  #deliver(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#reading
      .deliver(batch)
      .catch((error: unknown) =>
        this.#lose(new BindingError("internal", messageOf(error), { cause: error })),
      );
  }

  /** Once; while starting, the failure is told by what fails. */
  #lose(reason: BindingError): void {
    if (this.#lost !== undefined) return;
    this.#abandon(reason);
    if (this.#started && !this.#closed) this.#reading.lost(reason);
  }

  /** What is open is the server's again. */
  #abandon(reason: BindingError): void {
    this.#lost ??= reason;
    for (const name of this.#accepted.take()) this.#handled.add(JSON.stringify(name));
    for (const { timer } of this.#pauses.values()) clearTimeout(timer);
    this.#pauses.clear();
    this.#noted.clear();
    this.#open.clear();
    this.#transfers.release();
  }
}

/** Reads the address on a connection of the reader's own, which is closed with it. */
export async function startConsumer(
  driver: Driver,
  connectInput: ConnectInput,
  reading: Reading<typeof amqpFields>,
  handled: HandledMessages,
): Promise<Consumer> {
  const consumer = new Consumer(driver, reading, handled);
  try {
    await consumer.start(connectInput);
    return consumer;
  } catch (error) {
    await consumer.close();
    throw error;
  }
}

/** RabbitMQ 3 knows no modified messages, and ends the session that has one. */
function returnOf({ raw }: AmqpConnection): Outcome {
  const { product, version } = raw.properties ?? {};
  const isOld = product === "RabbitMQ" && typeof version === "string" && /^[0-3]\./.test(version);
  return isOld ? "released" : "modified";
}

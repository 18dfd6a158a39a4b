import type { Msg } from "@nats-io/transport-node";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { CatchUp } from "./catch-up.ts";
import {
  ackWaitOf,
  consumerNotices,
  streamCreated,
  useConsumer,
  type ConsumerInfo,
} from "./consumer.ts";
import { callFailure, isNoResponders } from "../../nats-client/failures.ts";
import type { natsFields } from "./fields.ts";
import type { Link } from "./link.ts";
import { deliveryOf, eventOf, type Delivery } from "./message.ts";
import { Pulls } from "./pulls.ts";
import { UnacknowledgedMessages, type Taken } from "./unacknowledged-messages.ts";

const nanoseconds = 1_000_000;
const inProgress = "+WPI";

/** Takes the consumer, or makes it, and reads what there is room for. */
export async function startReader(
  link: Link,
  reading: Reading<typeof natsFields>,
): Promise<Reader> {
  const { metadata, component, notice, attempts } = reading;
  const { stream, consumer } = metadata;
  // Two components that share a consumer are two readers, as if in two processes.
  const owner = [component.appId, component.name, stream, consumer];
  const identity = `${link.identity} ${JSON.stringify(owner)}`;
  const unacknowledged = UnacknowledgedMessages.of(identity);
  unacknowledged.begin();
  const { info, isNew } = await useConsumer(link, async () => {
    const created = await streamCreated(link);
    const before = unacknowledged.streamCreated;
    const from = unacknowledged.firstUnhandled;
    if (from === undefined || created === undefined || before !== created) {
      unacknowledged.forget();
      return undefined;
    }
    const text = `consumer ${consumer} was not there any more at ${new Date().toISOString()}: it is made again and goes on with sequence ${from}, the first that was not handled`;
    notice(text);
    return from;
  });
  if (isNew) unacknowledged.forgetReturned();
  unacknowledged.streamCreated = await streamCreated(link);
  for (const text of consumerNotices(link, info, attempts)) notice(text);
  const reader = new ConsumerReader(link, reading, info, unacknowledged);
  reader.start();
  return reader;
}

/** A consumer being read. */
class ConsumerReader implements Reader {
  readonly #link: Link;
  readonly #reading: Reading<typeof natsFields>;
  readonly #info: ConsumerInfo;
  readonly #unacknowledged: UnacknowledgedMessages;
  readonly #pulls: Pulls;
  readonly #ackWait: number;
  readonly #isOrdered: boolean;
  /** While what others left unacknowledged is gathered, to be handled in the stream's order. */
  #catchUp: CatchUp | undefined;
  #credit: number;
  #batch: InboundEvent[] = [];
  /** Handed over, and there is no room yet for more. */
  #waiting = 0;
  /** Returned at the end: the server hears of them once all that was handled is acknowledged. */
  readonly #held: Taken[] = [];
  #lastHandled: string | undefined;
  #isStopped = false;
  #isClosed = false;

  constructor(
    link: Link,
    reading: Reading<typeof natsFields>,
    info: ConsumerInfo,
    unacknowledged: UnacknowledgedMessages,
  ) {
    this.#link = link;
    this.#reading = reading;
    this.#info = info;
    this.#unacknowledged = unacknowledged;
    this.#ackWait = ackWaitOf(info);
    this.#isOrdered = reading.metadata.orderBySubject;
    this.#credit = reading.maxInFlight;
    this.#pulls = new Pulls({
      ...{ link, info },
      received: (message) => this.#take(message),
      ended: () => this.#ask(),
      failed: (reason) => this.#fail(reason),
    });
    link.onViolation = (error, subject) => {
      if (/^\$JS\.(ACK|.*API\.CONSUMER\.MSG\.NEXT)\./.test(subject))
        this.#fail(callFailure(error, "reading"));
    };
  }

  start(): void {
    const { signal, report } = this.#reading;
    const catchUp = new CatchUp({
      ...{ link: this.#link, info: this.#info, unacknowledged: this.#unacknowledged },
      ...{ isOrdered: this.#isOrdered, signal, pulls: this.#pulls, ackWait: this.#ackWait },
      report: (text) => report?.(text, text !== ""),
      giveBack: (taken) => this.#nak(taken),
    });
    this.#catchUp = catchUp;
    void catchUp.run().then(
      (deliveries) => {
        this.#catchUp = undefined;
        for (const delivery of deliveries) this.#decide(delivery);
        this.#handOver();
        this.#ask();
      },
      (error: unknown) => this.#fail(BindingError.from(error, "unavailable")),
    );
  }

  credit(events: number): void {
    this.#credit = events;
    this.#ask();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#catchUp?.stop();
    await this.#pulls.stop();
    this.#handOver();
  }

  /** What was acknowledged before is with the server once it answers the acknowledgement of the last. */
  async flush(): Promise<void> {
    if (this.#link.ended !== undefined) throw this.#link.ended;
    const last = this.#lastHandled;
    this.#lastHandled = undefined;
    try {
      if (last !== undefined) await this.#link.request(last, "+ACK");
      const held = this.#held.splice(0).toSorted((one, other) => one.sequence - other.sequence);
      for (const taken of held) this.#nak(taken);
      if (held.length > 0) await this.#link.flush();
    } catch (error) {
      this.#lastHandled ??= last;
      this.#unacknowledged.isUncertain = true;
      throw callFailure(error, "the acknowledgements were not confirmed");
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#catchUp?.stop();
    await this.#pulls.stop();
    if (this.#link.ended !== undefined) this.#unacknowledged.isUncertain = true;
    // What is still unsettled is the server's again.
    this.#unacknowledged.begin();
  }

  #take(message: Msg): void {
    try {
      const delivery = deliveryOf(message);
      if (delivery === undefined) {
        const facts = { subject: message.subject };
        this.#reading.logger.warn(facts, "a message came that cannot be acknowledged; it is left");
      } else if (this.#catchUp === undefined || this.#isStopped) this.#decide(delivery);
      else this.#catchUp.take(delivery);
    } catch (error) {
      // Thrown on, it would end the driver's reading without a word.
      this.#fail(BindingError.from(error));
    }
    this.#ask();
  }

  #decide(delivery: Delivery): void {
    const verdict = this.#unacknowledged.take(delivery, this.#isOrdered);
    switch (verdict.kind) {
      case "held":
        return;
      case "handled":
        return this.#acknowledge(delivery.message.reply ?? "");
      case "postponed":
        return this.#nak(verdict.taken);
      case "new":
        this.#enter(delivery, verdict.taken);
    }
  }

  #enter(delivery: Delivery, taken: Taken): void {
    if (this.#isStopped) {
      if (this.#unacknowledged.giveBack(taken)) this.#held.push(taken);
      return;
    }
    const event = eventOf(delivery, {
      key: this.#isOrdered ? taken.subject : undefined,
      lease: { duration: this.#ackWait, extend: () => this.#extend(taken) },
      settle: (settlement) => this.#settle(taken, settlement),
    });
    // All that came in one piece is handed over together.
    if (this.#batch.push(event) === 1) queueMicrotask(() => this.#handOver());
  }

  #handOver(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#waiting++;
    this.#reading.deliver(batch).then(
      () => {
        this.#waiting--;
        this.#ask();
      },
      (error: unknown) => this.#fail(BindingError.from(error)),
    );
  }

  #settle(taken: Taken, settlement: Settlement): void {
    if (settlement.outcome === "handled") {
      if (this.#unacknowledged.handled(taken)) {
        this.#lastHandled = taken.reply;
        this.#acknowledge(taken.reply);
      }
    } else if (
      this.#unacknowledged.giveBack(taken, this.#isStopped ? undefined : settlement.after)
    ) {
      if (this.#isStopped) this.#held.push(taken);
      else this.#nak(taken);
    }
    this.#ask();
  }

  async #extend(taken: Taken): Promise<void> {
    const timeout = Math.max(1_000, Math.min(5_000, this.#ackWait / 3));
    try {
      await this.#link.request(taken.reply, inProgress, { timeout });
    } catch (error) {
      const what = "the time to handle a message was not extended";
      if (isNoResponders(error))
        throw new BindingError("not_found", `${what}: the consumer is gone`);
      throw callFailure(error, what);
    }
  }

  /** Asks for what there is room for, not for each event alone. */
  #ask(): void {
    if (this.#isStopped || this.#isClosed || this.#catchUp !== undefined || this.#waiting > 0)
      return;
    const { outstanding } = this.#pulls;
    const room = this.#credit - this.#unacknowledged.open - outstanding;
    if (outstanding === 0 || room * 2 >= this.#credit) this.#pulls.ask(room);
  }

  #acknowledge(reply: string): void {
    this.#tell(reply, undefined);
  }

  #nak(taken: Taken): void {
    const after = taken.due - performance.now();
    const delay = Math.round(after * nanoseconds);
    this.#tell(taken.reply, after > 1 ? `-NAK ${JSON.stringify({ delay })}` : "-NAK");
  }

  /** On a connection that is gone nothing is told: what was handled is remembered for the next one. */
  #tell(reply: string, text: string | undefined): void {
    if (this.#link.ended !== undefined) {
      this.#unacknowledged.isUncertain = true;
      return;
    }
    try {
      this.#link.publish(reply, text);
    } catch (error) {
      this.#unacknowledged.isUncertain = true;
      this.#reading.logger.warn(
        { reason: messageOf(error) },
        "an acknowledgement could not be sent; it is sent again with the next connection",
      );
    }
  }

  #fail(reason: BindingError): void {
    if (this.#isClosed || this.#isStopped) return;
    this.#reading.lost(reason);
  }
}

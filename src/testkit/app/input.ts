import type { Header, InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { delay } from "../../delay.ts";
import type { Fields } from "../../metadata/fields.ts";
import type { Faults } from "./faults.ts";
import { bytesOf, type Payload } from "./payload.ts";

/** An event as a test says it. */
export type TestEvent = Payload & {
  /** What the binding would tell about it: topic, offset. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the message carries; texts are UTF-8. */
  readonly headers?: Readonly<Record<string, string | Uint8Array>> | readonly Header[];
  /** Events of one key are handled in their order. */
  readonly key?: string | Uint8Array;
  /** The source's identity of the event. Default: one of its own. */
  readonly id?: string;
  /** The partition that it comes from, each with an order and a window of its own. Default: one for all. */
  readonly partition?: string;
};

/** What became of an event, as its source was told. `lost`: the source keeps none for who is away. */
export type Delivered = (Settlement | { readonly outcome: "lost"; readonly reason: string }) & {
  readonly id: string;
  /** How often the app was asked to handle it. */
  readonly attempts: number;
  /** How often the source handed it out: more than once where a connection was cut. */
  readonly deliveries: number;
};

/** What a poisoned event carries: no UTF-8, and so no JSON. */
export const poison: Uint8Array = Uint8Array.of(
  0xff,
  0xfe,
  0x00,
  0x70,
  0x6f,
  0x69,
  0x73,
  0x6f,
  0x6e,
);

/** An event at the source, until the source is told for good what became of it. */
type Entry = {
  /** In the order in which the source got them. */
  readonly number: number;
  readonly id: string;
  data: Uint8Array | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly headers: readonly Header[];
  readonly key: string | Uint8Array | undefined;
  readonly queue: Queue;
  attempts: number;
  deliveries: number;
  readonly resolve: (delivered: Delivered) => void;
};

type Queue = { readonly partition: string; readonly waiting: Entry[] };

/** One subscription of the runtime. */
type Subscriber = {
  readonly reading: Reading<Fields>;
  readonly lose: (reason: Error) => void;
  /** Handed out, and not confirmed. */
  readonly held: Set<Entry>;
  readonly pumping: Set<Queue>;
  isStopped: boolean;
  isCut: boolean;
};

export type InputSideOptions = {
  readonly component: string;
  readonly faults: Faults;
  /** The source keeps no event for who is away. */
  readonly isLossy: () => boolean;
  readonly onDelivered: (delivered: Delivered) => void;
};

/** The input side of a component's stand-in: a queue in memory that keeps each event until it is acknowledged. */
export class InputSide {
  readonly #options: InputSideOptions;
  readonly #queues = new Map<string, Queue>();
  /** By the metadata that goes with an event, whose identity it keeps on its way to the app. */
  readonly #byMetadata = new WeakMap<object, { attempts: number }>();
  readonly #delivered: Delivered[] = [];
  #subscriber: Subscriber | undefined;
  #number = 0;

  constructor(options: InputSideOptions) {
    this.#options = options;
  }

  /** What became of events so far, in the order in which it did. */
  get delivered(): readonly Delivered[] {
    return this.#delivered;
  }

  /** The runtime has subscribed. */
  get isRead(): boolean {
    return this.#subscriber?.isStopped === false;
  }

  /** Events that the source has, handed out or not. */
  get backlog(): number {
    let waiting = this.#subscriber?.held.size ?? 0;
    for (const queue of this.#queues.values()) waiting += queue.waiting.length;
    return waiting;
  }

  /** Puts an event into the source, and resolves once the source is told for good what became of it. */
  deliver(event: TestEvent): Promise<Delivered> {
    const { component } = this.#options;
    const { metadata = {}, headers = [], partition = "" } = event;
    const number = ++this.#number;
    const queue = this.#queueOf(partition);
    const data = bytesOf(event);
    return new Promise((resolve) => {
      const entry: Entry = {
        ...{ number, queue, data, resolve },
        id: event.id ?? `${component}-${number}`,
        metadata: { ...metadata },
        headers: headerList(headers),
        key: event.key,
        attempts: 0,
        deliveries: 0,
      };
      this.#byMetadata.set(entry.metadata, entry);
      queue.waiting.push(entry);
      if (this.#subscriber !== undefined) void this.#pump(this.#subscriber, queue);
    });
  }

  /** The app is asked to handle the event with this metadata. */
  attempted(metadata: object): void {
    const entry = this.#byMetadata.get(metadata);
    if (entry !== undefined) entry.attempts++;
  }

  /** The runtime subscribes. `lose`: ends the component's connection. */
  read(reading: Reading<Fields>, lose: (reason: Error) => void): Reader {
    const subscriber: Subscriber = {
      ...{ reading, lose, held: new Set<Entry>(), pumping: new Set<Queue>() },
      ...{ isStopped: false, isCut: false },
    };
    this.#subscriber = subscriber;
    for (const queue of this.#queues.values()) void this.#pump(subscriber, queue);
    return {
      stop() {
        subscriber.isStopped = true;
      },
      flush() {},
      close: () => {
        subscriber.isStopped = true;
        if (this.#subscriber === subscriber) this.#subscriber = undefined;
        this.#takeBack(subscriber);
      },
    };
  }

  /** An event that the binding itself has made, a tick, is noted like those of the source. */
  watched(event: InboundEvent): InboundEvent {
    const note = { attempts: 0 };
    this.#byMetadata.set(event.metadata, note);
    return {
      ...event,
      settle: (settlement) => {
        event.settle(settlement);
        this.#note({ ...settlement, id: event.id ?? "", attempts: note.attempts, deliveries: 1 });
      },
    };
  }

  /** The connection to the source ends now: what is not acknowledged comes again. */
  cut(reason: string): void {
    if (this.#subscriber !== undefined) this.#cut(this.#subscriber, reason);
  }

  /** There will be no more readers: whoever waits for what becomes of an event is told. */
  close(): void {
    for (const { waiting } of this.#queues.values())
      for (const entry of waiting.splice(0))
        this.#end(entry, { outcome: "returned", reason: "the run has ended" });
  }

  #queueOf(partition: string): Queue {
    let queue = this.#queues.get(partition);
    if (queue === undefined) this.#queues.set(partition, (queue = { partition, waiting: [] }));
    return queue;
  }

  /** Hands out what waits in a queue, one after another, as fast as the runtime takes it. */
  async #pump(subscriber: Subscriber, queue: Queue): Promise<void> {
    if (subscriber.pumping.has(queue)) return;
    subscriber.pumping.add(queue);
    while (!subscriber.isStopped && !subscriber.isCut) {
      const entry = queue.waiting.shift();
      if (entry === undefined) break;
      subscriber.held.add(entry);
      await this.#handOut(subscriber, entry);
    }
    subscriber.pumping.delete(queue);
  }

  async #handOut(subscriber: Subscriber, entry: Entry): Promise<void> {
    const { component, faults } = this.#options;
    const { reading } = subscriber;
    const isFirst = entry.deliveries === 0;
    const actions = isFirst ? faults.at("event", component) : [];
    for (const action of actions) {
      if (action.kind === "poison") entry.data = poison;
      if (action.kind === "delay") await delay(action.milliseconds, reading.signal);
    }
    // Taken back meanwhile, or about to be.
    if (subscriber.isStopped || subscriber.isCut) return;
    entry.deliveries++;
    const { data, metadata, headers, key, id, deliveries, queue } = entry;
    const event: InboundEvent = {
      ...{ data, metadata, headers, key, id, attempt: deliveries, redelivered: !isFirst },
      settle: (settlement) => this.#settle(subscriber, entry, settlement),
    };
    const room = reading.deliver([event], queue.partition);
    if (actions.some(({ kind }) => kind === "cut"))
      this.#cut(subscriber, "the connection was cut when an event had come");
    await room;
  }

  #settle(subscriber: Subscriber, entry: Entry, settlement: Settlement): void {
    const { component, faults } = this.#options;
    if (!subscriber.held.has(entry) || subscriber.isCut) return;
    // What ends with its subscription is the source's again, and comes again with the next.
    if (settlement.outcome === "returned" && subscriber.isStopped) return;
    if (faults.at("ack", component).length > 0)
      return this.#cut(subscriber, "the connection was cut before an acknowledgement had come");
    subscriber.held.delete(entry);
    this.#end(entry, settlement);
  }

  #cut(subscriber: Subscriber, reason: string): void {
    if (subscriber.isCut) return;
    subscriber.isCut = true;
    subscriber.lose(new Error(`scripted fault: ${reason}`));
  }

  #takeBack(subscriber: Subscriber): void {
    const held = [...subscriber.held].sort((a, b) => b.number - a.number);
    subscriber.held.clear();
    for (const entry of held) {
      if (this.#options.isLossy() && entry.deliveries > 0)
        this.#end(entry, { outcome: "lost", reason: "its source keeps none for who is away" });
      else entry.queue.waiting.unshift(entry);
    }
  }

  #end(entry: Entry, end: Settlement | { outcome: "lost"; reason: string }): void {
    const { id, attempts, deliveries } = entry;
    const delivered: Delivered = { ...end, id, attempts, deliveries };
    this.#note(delivered);
    entry.resolve(delivered);
  }

  #note(delivered: Delivered): void {
    this.#delivered.push(delivered);
    this.#options.onDelivered(delivered);
  }
}

function headerList(headers: NonNullable<TestEvent["headers"]>): readonly Header[] {
  if (Array.isArray(headers)) return headers as readonly Header[];
  return Object.entries(headers as Readonly<Record<string, string | Uint8Array>>).map(
    ([name, value]) => ({ name, value: typeof value === "string" ? Buffer.from(value) : value }),
  );
}

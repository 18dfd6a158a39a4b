import { fromBinary } from "@bufbuild/protobuf";
import { EventBatchSchema, type DeliveredEvent } from "../../gen/cufflink/v1/event_streams_pb.ts";
import type { BindingEventHandler } from "../handler/event.ts";
import { StreamedEvent } from "./event.ts";
import { outcomeOf, type Outcome } from "../handler/outcome.ts";
import { OutgoingMessages } from "./outgoing-messages.ts";
import type { RunningHandlers } from "./running-handlers.ts";
import type { Turn, WorkerPool } from "./worker-pool.ts";

export type EventStreamOptions = {
  /** The components whose events are wanted. Empty: whatever the runtime sends. */
  readonly bindings: readonly string[];
  readonly handlerOf: (binding: string) => BindingEventHandler | undefined;
  /** The most events that the app holds of this stream, being handled or waiting for it. */
  readonly window: number;
  /** Shared by all streams of the app. */
  readonly pool: WorkerPool;
  /** Shared by all streams of the app. */
  readonly stillRunning: RunningHandlers;
  /** Told what the runtime has to say about the subscription. */
  readonly onNotice?: (notice: string) => void;
};

/** An event that the app holds. */
type Held = { readonly binding: string; readonly message: DeliveredEvent };

/**
 * The app's side of one event stream, apart from how its messages travel: {@link messages} are to be sent,
 * and what is received goes into {@link receive}.
 *
 * Events of a lane are handled one after another, lanes beside each other as far as the pool lets them. After
 * an event that is to come again, all later ones of its lane and epoch are answered as not attempted.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #settlements = new OutgoingMessages();
  readonly #lanes = new Map<number, Lane>();
  readonly #waiting = new Set<Lane>();
  readonly #running = new Set<Held>();
  readonly #abort = new AbortController();
  /** Lanes that stand still after a failure, in the order in which that ends. */
  readonly #stopped: { lane: Lane; epoch: number; until: number }[] = [];
  #stoppedSinceTake: { lane: Lane; epoch: number; until: number }[] = [];
  #granted = 0;
  #received = 0;
  #draining = false;
  #lost = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#granted = options.window;
    this.#settlements.subscribe(options.bindings, options.window);
  }

  /** What the runtime says of itself in the headers of the call. */
  meet(headers: Readonly<Record<string, string | string[] | undefined>>): void {
    const bytes = Number(headers["cufflink-max-reply-bytes"]);
    if (bytes > 0) this.#settlements.maxReplyBytes = bytes;
  }

  /** Takes a message of the runtime. Throws when it is none. */
  receive(bytes: Uint8Array): void {
    const { binding, events, notice } = fromBinary(EventBatchSchema, bytes);
    if (notice !== "") this.#options.onNotice?.(notice);
    for (const message of events) this.#accept({ binding, message });
  }

  /** What is to be sent. Ends by itself once the stream was told to {@link drain} and has nothing left to say. */
  async *messages(): AsyncGenerator<Uint8Array> {
    const settlements = this.#settlements;
    while (!this.#lost) {
      const message = settlements.take();
      if (message !== undefined) {
        this.#afterTake();
        yield message;
      } else if (this.#draining && this.#running.size === 0 && !settlements.turn.pending) {
        return;
      } else {
        await settlements.turn.wait();
      }
    }
  }

  /** Takes no more events: finishes those that run, and returns those that wait, which costs no attempt. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const lane of this.#waiting) {
      for (const { message } of lane.takeAll()) this.#settlements.notAttempted(message.delivery);
    }
    this.#waiting.clear();
    this.#settlements.turn.wake();
  }

  /** The stream is over: nobody hears what is settled from now on. Handlers that run go on to their end. */
  end(reason: string): void {
    if (this.#lost) return;
    this.#lost = true;
    for (const held of this.#running) {
      this.#options.stillRunning.add(held.binding, held.message.event?.id ?? "");
    }
    for (const lane of this.#waiting) lane.takeAll();
    this.#waiting.clear();
    this.#lanes.clear();
    this.#settlements.turn.wake();
    if (this.#running.size > 0) this.#abort.abort(new Error(reason));
  }

  #accept(held: Held): void {
    const { delivery, lane: number, epoch } = held.message;
    this.#received++;
    this.#forgetStopped();
    if (this.#lost) return;
    if (this.#draining) return this.#settlements.notAttempted(delivery);
    let lane = number === 0 ? undefined : this.#lanes.get(number);
    if (lane === undefined) {
      lane = new Lane(number, this);
      if (number !== 0) this.#lanes.set(number, lane);
    } else if (lane.stoppedEpoch === epoch) {
      return this.#giveBack(held);
    }
    lane.stoppedEpoch = undefined;
    lane.push(held);
    this.#waiting.add(lane);
    if (lane.busy) return;
    lane.busy = true;
    this.#options.pool.add(lane);
  }

  /** A lane has its turn. */
  run(lane: Lane): Promise<void> | undefined {
    const held = lane.first;
    if (held === undefined || this.#lost) {
      this.#rest(lane);
      return undefined;
    }
    const { stillRunning, handlerOf } = this.#options;
    const { binding, message } = held;
    // The same event is with a handler since before the connection was lost. Not both at once.
    const before = stillRunning.find(binding, message.event?.id ?? "");
    if (before !== undefined) {
      void before.then(() => this.#options.pool.add(lane));
      return undefined;
    }
    lane.shift();
    if (lane.first === undefined) this.#waiting.delete(lane);
    this.#running.add(held);
    const event = new StreamedEvent(binding, message, this.#abort.signal);
    return outcomeOf(handlerOf(binding), event, (outcome) => this.#settle(lane, held, outcome));
  }

  #settle(lane: Lane, held: Held, outcome: Outcome): void {
    const { delivery, epoch, event } = held.message;
    this.#running.delete(held);
    if (this.#lost) return this.#options.stillRunning.remove(held.binding, event?.id ?? "");
    this.#settlements.settle(delivery, outcome);
    this.#grant(1);
    if (outcome.kind !== "handled" && outcome.kind !== "drop") this.#stop(lane, epoch);
    if (lane.first === undefined) this.#rest(lane);
    else this.#options.pool.add(lane);
    if (this.#draining) this.#settlements.turn.wake();
  }

  /** From here to the end of the epoch the lane's events are not looked at. */
  #stop(lane: Lane, epoch: number): void {
    if (lane.number === 0) return;
    lane.stoppedEpoch = epoch;
    this.#stoppedSinceTake.push({ lane, epoch, until: Infinity });
    for (const held of lane.takeAll()) this.#giveBack(held);
  }

  #giveBack({ message }: Held): void {
    this.#settlements.notAttempted(message.delivery);
    this.#grant(1);
  }

  #grant(events: number): void {
    if (this.#draining) return;
    this.#granted += events;
    this.#settlements.credit(events);
  }

  /**
   * What the runtime sends on credit that it got together with a failure, or later, it sends knowing of the
   * failure: so after as many events as were granted by then the lane's stop need not be remembered.
   */
  #afterTake(): void {
    for (const stop of this.#stoppedSinceTake) {
      stop.until = this.#granted;
      this.#stopped.push(stop);
    }
    this.#stoppedSinceTake = [];
  }

  #forgetStopped(): void {
    for (;;) {
      const stop = this.#stopped[0];
      if (stop === undefined || stop.until >= this.#received) return;
      this.#stopped.shift();
      const { lane, epoch } = stop;
      if (lane.stoppedEpoch !== epoch) continue;
      lane.stoppedEpoch = undefined;
      if (!lane.busy) this.#lanes.delete(lane.number);
    }
  }

  /** The lane has nothing to do. */
  #rest(lane: Lane): void {
    lane.busy = false;
    this.#waiting.delete(lane);
    if (lane.stoppedEpoch === undefined) this.#lanes.delete(lane.number);
  }
}

/** Events that are handled one after another. Those of lane 0 have one each. */
class Lane implements Turn {
  readonly number: number;
  /** In line for a turn, or using one. */
  busy = false;
  /** The epoch in which an event was not handled; its later ones are not looked at. */
  stoppedEpoch: number | undefined;
  readonly #stream: EventStream;
  #events: Held[] = [];
  #head = 0;

  constructor(number: number, stream: EventStream) {
    this.number = number;
    this.#stream = stream;
  }

  get first(): Held | undefined {
    return this.#events[this.#head];
  }

  push(held: Held): void {
    this.#events.push(held);
  }

  shift(): void {
    if (++this.#head < this.#events.length) return;
    this.#events = [];
    this.#head = 0;
  }

  takeAll(): Held[] {
    const events = this.#events.slice(this.#head);
    this.#events = [];
    this.#head = 0;
    return events;
  }

  run(): Promise<void> | undefined {
    return this.#stream.run(this);
  }
}

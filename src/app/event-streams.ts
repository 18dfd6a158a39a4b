import type { Logger } from "../binding.ts";
import { makeRoomForStreams } from "../memory/garbage-collection.ts";
import type { Delivery, Intake, LaneReference, Outcome } from "../runtime/app.ts";
import { SubscriptionCheck } from "./subscription-check.ts";
import type { EventStream } from "./event-stream.ts";

/** All event streams that lead to the app, and which of them has which lane. */
export class EventStreams {
  /** What the app subscribes to, by streams and otherwise. */
  readonly subscriptions: SubscriptionCheck;
  readonly logger: Logger;
  readonly #streams = new Set<EventStream>();
  readonly #joined = new Set<() => void>();
  readonly #room = new Set<() => void>();

  constructor(logger: Logger) {
    this.logger = logger;
    this.subscriptions = new SubscriptionCheck(logger);
  }

  /** Gives it events from now on. */
  join(stream: EventStream): void {
    makeRoomForStreams();
    this.#streams.add(stream);
    this.logger.info({ bindings: stream.bindings ?? "all" }, "the app takes events by a stream");
    const tell = (complaint: string): void => stream.notify(complaint);
    this.subscriptions.subscribed(stream, stream.bindings ?? [], tell);
    this.changed();
  }

  /** The stream is gone: see {@link EventStream.end}. */
  leave(stream: EventStream, reason: string, properly = false): void {
    const was = this.#streams.delete(stream);
    stream.end(reason, properly);
    if (!was) return;
    this.subscriptions.left(stream);
    this.logger.info({ reason }, "an event stream of the app has ended");
    this.changed();
  }

  /** What a stream wants, or whether it can be given some, has changed. */
  changed(): void {
    call(this.#joined);
    call(this.#room);
  }

  /** Calls the listener after a stream has come or gone. */
  onChange(listener: () => void): () => void {
    this.#joined.add(listener);
    return () => this.#joined.delete(listener);
  }

  onRoom(listener: () => void): () => void {
    this.#room.add(listener);
    return () => this.#room.delete(listener);
  }

  /** Whether an app has subscribed by a stream, to whatever. */
  get isJoined(): boolean {
    return this.#streams.size > 0;
  }

  /** The inputs that the apps have named. */
  get bindings(): string[] {
    return [...this.#streams].flatMap((stream) => stream.bindings ?? []);
  }

  /** Whether a stream wants the events of this input. */
  wants(binding: string): boolean {
    for (const stream of this.#streams) if (stream.wants(binding)) return true;
    return false;
  }

  takes(
    binding: string,
    lane: LaneReference | undefined,
    unsettled: number,
  ): ReturnType<Intake["takes"]> {
    const carrier = lane === undefined ? undefined : this.#carrierOf(lane, binding);
    if (carrier !== undefined) {
      if (carrier.credit <= 0) carrier.needed();
      const waits = carrier.credit <= 0 || (unsettled > 0 && !carrier.ordered);
      return waits ? "lane waits" : "now";
    }
    if (unsettled > 0) return "lane waits";
    if (this.#roomiest(binding) !== undefined) return "now";
    for (const stream of this.#streams) if (stream.wants(binding)) stream.needed();
    return "full";
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const { lane, name } = delivery;
    const carrier = lane === undefined ? undefined : this.#carrierOf(lane, name);
    const stream = carrier ?? this.#roomiest(name);
    if (stream === undefined)
      return Promise.resolve({ kind: "unsent", reason: "the app's event stream has ended" });
    if (lane !== undefined && carrier === undefined) lane.carrier = stream;
    return stream.deliver(delivery, signal);
  }

  /**
   * Serves a stream that the app has dialled; what does so is loaded with the first one. Throws a `GrpcFailure` when the
   * app breaks its rules.
   */
  accept(messages: AsyncIterable<Uint8Array>): AsyncIterableIterator<Uint8Array, void, undefined> {
    return late(async () => {
      const { acceptStream } = await import("./accepted-stream.ts");
      return acceptStream(this, messages);
    });
  }

  has(stream: EventStream): boolean {
    return this.#streams.has(stream);
  }

  /** A stream takes more than before. */
  roomMade(): void {
    call(this.#room);
  }

  /** Ends all streams once what was delivered is out. */
  close(): void {
    for (const stream of this.#streams) stream.close();
  }

  #carrierOf(lane: LaneReference, binding: string): EventStream | undefined {
    const carrier = lane.carrier as EventStream | undefined;
    if (carrier === undefined || !this.#streams.has(carrier)) return undefined;
    return carrier.wants(binding) ? carrier : undefined;
  }

  #roomiest(binding: string): EventStream | undefined {
    let best: EventStream | undefined;
    for (const stream of this.#streams) {
      if (stream.credit > (best?.credit ?? 0) && stream.wants(binding)) best = stream;
    }
    return best;
  }
}

/** What comes of an iterator that is still to be loaded. */
function late<Item>(
  load: () => Promise<AsyncGenerator<Item, void, undefined>>,
): AsyncIterableIterator<Item, void, undefined> {
  let items: AsyncGenerator<Item, void, undefined> | undefined;
  let loading: Promise<AsyncGenerator<Item, void, undefined>> | undefined;
  const loaded = async () => (items = await (loading ??= load()));
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => items?.next() ?? loaded().then((made) => made.next()),
    return: async () => (items ?? (await loaded())).return(),
  };
}

function call(listeners: ReadonlySet<() => void>): void {
  for (const listener of listeners) listener();
}

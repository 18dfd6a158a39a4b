import { clock } from "../../clock.ts";
import { BindingError } from "../../errors.ts";
import type { NullAs, Reader } from "../../binding.ts";
import type { DeadLetter } from "../../store/records.ts";
import type { App } from "../app.ts";
import type { ComponentSettings } from "./component-fields.ts";
import { usualMaxInFlight } from "../delivery/delivery-options.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { addCounts, newCounts, type EventCounts } from "../delivery/event-counts.ts";
import { fencedReader } from "../delivery/fenced.ts";
import { openDelivery } from "../delivery/open-delivery.ts";
import { shown, type Opened } from "./opening.ts";
import { InputLease } from "./input-lease.ts";
import type { InputOptions } from "./input-options.ts";
import { PauseRecord } from "./pause-record.ts";
import type { RelayedReader } from "../relay.ts";
import { relayedReading } from "./relayed-reading.ts";
import { readSource, type Deliver, type ReadSource } from "./source-reading.ts";
import type { Condition } from "./component-status.ts";
import { isRefusal, RefusedReading } from "./refused-reading.ts";
import type { Redriven } from "../delivery/redrive.ts";
import type { StallFacts } from "./stall.ts";
import type { Pause } from "../status.ts";
import { Subscription } from "./subscription.ts";

/** What reading goes by: the opened connection, and whom to tell when it cannot go on. */
export type Reading = {
  readonly opened: Opened;
  readonly settings: ComponentSettings;
  readonly route: string;
  /** Outputs use the connection: a source that refuses to be read does not end it. */
  readonly shared: boolean;
  readonly lost: (reason: unknown) => void;
};

/** Why an input must not read for the time being. */
type Hold = "paused" | "handing over" | "refused" | "standby" | "elsewhere";

const noApp = "this runtime was given no app; createRuntime takes one as `app`";
/** How long the app may finish what it has after the source's connection was lost, in milliseconds. */
const finishing = 5_000;

/** The reading side of a component: it goes on while there is a connection, nothing holds it, and the app wants it. */
export class Input {
  readonly #options: InputOptions;
  readonly #holds = new Set<Hold>();
  #reading: Reading | undefined;
  #delivery: Delivery | undefined;
  #subscription: Subscription | undefined;
  /** The subscription that ends at this moment. */
  #ending: Subscription | undefined;
  readonly #record: PauseRecord;
  readonly #lease: InputLease;
  #paused: Pause | undefined;
  /** The pause is in the store, which replicas share. */
  #isStored = false;
  #condition: Condition | undefined;
  #relayed: RelayedReader | undefined;
  readonly #refused = new RefusedReading();
  /** Whether what an earlier process has left is known, or makes no difference any more. */
  #recalled: "not yet" | "under way" | "yes" = "not yet";
  #drained = false;
  /** Of what went on before. */
  #counts: EventCounts = newCounts();

  constructor(options: InputOptions) {
    this.#options = options;
    const { app, store, name, logger, fleet, code } = options;
    this.#record = new PauseRecord(store?.pauses, name, logger);
    if (options.worker?.reads(name) === false) this.#holds.add("elsewhere");
    this.#lease = new InputLease({
      ...{ name, logger, fleet, app, code },
      gained: () => this.#release("standby"),
      standsBy: () => this.#standBy(),
      lost: (remaining) => this.#hold("standby", remaining),
    });
  }

  /** What goes on at this moment, if anything does. */
  get delivery(): Delivery | undefined {
    return this.#delivery;
  }

  /** Since the start. */
  get counts(): EventCounts {
    return addCounts(this.#counts, this.#delivery?.counts);
  }

  /** What the source, the app and the window look like at this moment. */
  get stallFacts(): StallFacts {
    const delivery = this.#delivery;
    return {
      // What another replica reads does not come here.
      reading:
        delivery !== undefined &&
        this.#options.app?.available === true &&
        this.#relayed?.readsSource !== false,
      inFlight: delivery?.inFlight ?? 0,
      waiting: delivery?.waiting ?? 0,
      room: this.#share(this.#reading?.settings.maxInFlight ?? usualMaxInFlight),
      held: delivery?.heldBy !== undefined,
    };
  }

  #share(events: number): number {
    const { worker, name } = this.#options;
    return worker?.share(name, events) ?? events;
  }

  /** How many events wait, with those in its relay, of what is known. */
  backlog(atSource: number | undefined): number | undefined {
    const relayed = this.#relayed?.backlog;
    return atSource === undefined ? relayed : atSource + (relayed ?? 0);
  }

  /** What the component's state tells of it. */
  get shown() {
    const [delivery, condition, { standby }] = [this.#delivery, this.#condition, this.#lease];
    return { delivery, condition, standby, paused: this.paused, refusedInput: this.#refused.text };
  }

  /** Who paused it; `undefined`: nobody. */
  get paused(): Pause | undefined {
    return this.#options.isRead() ? this.#paused : undefined;
  }

  /** Counts on from where another one's counts end, and takes its pause over. */
  continueFrom(other: Input): void {
    const paused = other.#paused;
    this.#counts = other.counts;
    if (other.#recalled === "yes") this.#recalled = "yes";
    if (paused === undefined) return;
    this.#isStored = other.#isStored;
    this.#paused ??= paused;
    this.#holds.add("paused");
  }

  get mayRead(): boolean {
    return this.#holds.size === 0 && !this.#drained;
  }

  /** There is a connection to read from. */
  connected(reading: Reading): void {
    this.#reading = reading;
    // Behind a relay all replicas deliver: it asks itself who reads the source.
    const isFree = reading.settings.relay || this.#lease.ask(reading.opened, this.#isRecalled);
    if (isFree) this.#holds.delete("standby");
    else this.#standBy();
    this.#begin();
  }

  #standBy(): void {
    this.#holds.add("standby");
    const { available = true, unavailableReason: reason = "" } = this.#options.app ?? {};
    this.#options.onState({ kind: available ? "wanted" : "app away", reason });
  }

  /** The connection is gone: what the app has is awaited briefly, the rest is the source's again. */
  async disconnected(): Promise<void> {
    this.#reading = undefined;
    this.#lease.disconnected();
    this.#refused.clear();
    this.#holds.delete("refused");
    await this.#end(finishing);
  }

  /** Reads no more until {@link Input.resume}, or the end of the process. Paused already: the same pause. */
  pause(
    by: string,
    reason: string,
    deadline: number,
    since = new Date(clock.now()),
  ): Promise<{ abandoned: number }> {
    if (this.#paused === undefined) {
      this.#paused = { by, reason, since };
      this.#options.logger.info({ by, reason }, "input paused");
    }
    return this.#hold("paused", deadline);
  }

  /** The pause outlasts the process. Resolves once it is stored, or cannot be, which is logged. */
  async keepPause(): Promise<void> {
    if (this.#paused === undefined) return;
    await this.#record.keep(this.#paused);
    this.#isStored = true;
  }

  /** The store tells of a pause of whichever replica; `undefined`: of its end. What only this process knows stays. */
  told(pause: Pause | undefined, deadline: number): void {
    if (pause !== undefined) {
      this.#isStored = true;
      void this.pause(pause.by, pause.reason, deadline, pause.since);
    } else if (this.#isStored && this.#paused !== undefined) this.#unpause();
  }

  /** Reads again. Resolves once that is stored, too, or cannot be, which is logged. */
  async resume(): Promise<void> {
    const isAwaited = this.#recalled === "under way";
    this.#recalled = "yes";
    const forgotten = this.#record.forget();
    if (this.#paused !== undefined) this.#unpause();
    else if (isAwaited) void this.#beginAgain();
    await forgotten;
  }

  #unpause(): void {
    this.#paused = undefined;
    this.#isStored = false;
    this.#options.logger.info({}, "input resumed");
    this.#release("paused");
  }

  /** Reads no more until {@link Input.readAgain}; resolves once the reading has ended. */
  stopReading(deadline: number): Promise<{ abandoned: number }> {
    return this.#hold("handing over", deadline);
  }

  readAgain(): void {
    this.#release("handing over");
  }

  /** Reads no more, for good. */
  drain(deadline: number): Promise<{ abandoned: number }> {
    this.#drained = true;
    this.#refused.clear();
    return this.#lease.after(this.#end(deadline));
  }

  #hold(why: Hold, deadline: number): Promise<{ abandoned: number }> {
    this.#holds.add(why);
    return this.#end(deadline);
  }

  #release(why: Hold): void {
    if (this.#holds.delete(why)) void this.#beginAgain();
  }

  /** See `Delivery.redrive`. `state`: what the component does, for the error where it reads nothing now. */
  async redrive(deadLetter: DeadLetter, state: string, signal?: AbortSignal): Promise<Redriven> {
    if (this.#delivery !== undefined && this.#subscription !== undefined)
      return this.#delivery.redrive(deadLetter, signal);
    const text = `component ${this.#options.name} reads nothing now (${state}); redrive once it runs`;
    throw new BindingError("failed_precondition", text);
  }

  /** What an app gets in place of a null of the source, where its protocol has none. */
  get nullAs(): NullAs {
    const metadata = this.#reading?.opened.metadata;
    return (metadata && this.#options.code.binding.nullAs?.(metadata)) ?? "empty";
  }

  async #beginAgain(): Promise<void> {
    await this.#ending?.end(Number.POSITIVE_INFINITY);
    this.#begin();
  }

  #begin(): void {
    const reading = this.#reading;
    if (reading === undefined || !this.mayRead || this.#subscription !== undefined) return;
    const { app, name, logger, onState, store } = this.#options;
    if (app === undefined) return onState({ kind: "app away", reason: noApp });
    if (store !== undefined && this.#recalled !== "yes") return void this.#recall();
    const subscription = new Subscription({
      ...{ app, name, logger, onState },
      route: reading.route,
      declared: reading.settings.direction !== undefined,
      begin: (signal) => this.#read(app, reading, signal),
      ended: (delivery) => this.#ended(delivery),
      failed: (error) => this.#lost(reading, error),
    });
    this.#subscription = subscription;
    subscription.start();
  }

  /** The reading has ended by itself. Outputs go on where only the reading was refused. */
  #lost(reading: Reading, error: unknown): void {
    if (!reading.shared || !isRefusal(error)) return reading.lost(error);
    if (this.#reading !== reading || this.#drained || this.#holds.has("refused")) return;
    const { logger, onRefused } = this.#options;
    void this.#hold("refused", finishing);
    if (this.#refused.refused(error, () => this.#release("refused")))
      logger.warn({ reason: error.message }, "the input is refused; it is tried again");
    onRefused(error);
  }

  /** Takes up the pause that an earlier process has left; begins where there is none. */
  async #recall(): Promise<void> {
    if (this.#recalled !== "not yet") return;
    this.#recalled = "under way";
    const paused = await this.#record.recall();
    // Resumed meanwhile: it has begun.
    if (this.#isRecalled) return;
    this.#recalled = "yes";
    if (paused === undefined) return this.#begin();
    this.#paused ??= paused;
    this.#isStored = true;
    this.#holds.add("paused");
    if (this.#reading !== undefined) this.#options.onState({ kind: "wanted", reason: "" });
  }

  get #isRecalled(): boolean {
    return this.#recalled === "yes";
  }

  async #read(
    app: App,
    reading: Reading,
    signal: AbortSignal,
  ): Promise<{ reader: Reader; delivery: Delivery }> {
    const { opened, settings, route } = reading;
    const { name, type, logger, policies, fanOut } = this.#options;
    const { binding } = this.#options.code;
    const { observer, concurrency, store, history, invokeOutput, loops, memory, tracer } =
      this.#options;
    const { ownership } = this.#lease;
    let reader: Reader | undefined;
    const delivery = await openDelivery(binding, settings, policies, {
      ...{ name, type, route, nullAs: this.nullAs, app, concurrency, logger, observer },
      ...{ store, history, invokeOutput, loops, memory, tracer, ownership },
      fanOut: (reply, entry) =>
        fanOut(reply, settings.replyFanOut, {
          mark: (target, data) => loops?.sending(name, entry, target, data) ?? {},
          span: () => entry.attemptSpan,
        }),
      share: (events) => this.#share(events),
      onCredit: (events) => reader?.credit?.(events),
      onHalt: (reason) => {
        void this.pause("the runtime", `onExhausted is halt: ${reason}`, finishing);
        void this.keepPause();
      },
    });
    this.#delivery = delivery;
    this.#condition = undefined;
    try {
      const { maxInFlight } = delivery;
      const lost = (reason: unknown): void => {
        const error = shown(reason, opened.redact);
        // One that has ended already must not end the next one.
        if (this.#delivery === delivery || !isRefusal(error)) this.#lost(reading, error);
      };
      const report = (text: string, stalled: boolean): void => {
        if (this.#delivery === delivery)
          this.#condition = text === "" ? undefined : { text: opened.redact(text), stalled };
      };
      const received = (): void => this.#refused.received();
      const read: ReadSource = (deliver, until, owner) => {
        const given = { maxInFlight, lost, report, received, deliver, signal: until };
        return readSource(this.#options, opened, owner, given);
      };
      if (settings.relay) {
        const given = { delivery, maxInFlight, lost, report, read, signal };
        reader = this.#relayed = await relayedReading(this.#options, opened, app, given);
      } else {
        const deliver: Deliver = (events, source) => delivery.deliver(events, source);
        reader = await read(deliver, signal, ownership);
      }
      this.#refused.begun();
      return { reader: fencedReader(reader, ownership), delivery };
    } catch (error) {
      // What came before it failed is the source's again.
      await delivery.drain(finishing);
      this.#ended(delivery);
      throw shown(error, opened.redact);
    }
  }

  #ended(delivery: Delivery): void {
    this.#counts = addCounts(this.#counts, delivery.counts);
    if (this.#delivery !== delivery) return;
    this.#delivery = undefined;
    this.#condition = undefined;
    this.#relayed = undefined;
  }

  async #end(deadline: number): Promise<{ abandoned: number }> {
    const subscription = this.#subscription ?? this.#ending;
    if (subscription === undefined) return { abandoned: 0 };
    this.#subscription = undefined;
    this.#ending = subscription;
    const result = await subscription.end(deadline);
    if (this.#ending === subscription) this.#ending = undefined;
    return result;
  }
}

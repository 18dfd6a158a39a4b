import { AsyncLocalStorage } from "node:async_hooks";
import type { AnyBinding, HttpEndpoints, Reader } from "../binding.ts";
import { formatOrigin, type ComponentSpec } from "../component.ts";
import { BindingError, messageOf } from "../errors.ts";
import { ComponentPolicies } from "../policy/component-policies.ts";
import type { Policies } from "../policy/policies.ts";
import { pauseAfter, type RetryPolicy } from "../policy/retry.ts";
import type { DeadLetter } from "../store/records.ts";
import type { App, Reply } from "./app.ts";
import { logBreaker } from "./breaker-log.ts";
import type { ComponentSettings } from "./component-fields.ts";
import type { Concurrency } from "./concurrency.ts";
import { usualMaxInFlight, type DeliveryOptions } from "./delivery-options.ts";
import type { Delivery } from "./delivery.ts";
import type { FanOut } from "./fan-out.ts";
import type { Observer } from "./observer.ts";
import { ownPolicies } from "./own-policy.ts";
import { pause } from "./pause.ts";
import type { Redriven } from "./redrive.ts";
import type { RuntimeLogger } from "./runtime-logger.ts";
import { openDelivery } from "./open-delivery.ts";
import { openComponent, shown, type Opened } from "./opening.ts";
import type { ComponentState, ComponentStatus } from "./status.ts";
import { Subscription } from "./subscription.ts";

export type ComponentOptions = {
  readonly appId: string;
  readonly spec: ComponentSpec;
  readonly binding: AnyBinding;
  readonly app: App | undefined;
  readonly logger: RuntimeLogger;
  readonly observer: Observer;
  readonly http: HttpEndpoints;
  readonly concurrency: Concurrency;
  /** What Resiliency says; absent: there is none. */
  readonly policies?: Policies | undefined;
  readonly fanOut: (reply: Reply | undefined, replyFanOut: boolean) => FanOut;
} & Pick<DeliveryOptions, "store" | "history" | "invokeOutput">;

/** Which component a driver's stray exception belongs to: set while its binding opens and reads. */
const owner = new AsyncLocalStorage<Component>();

/** The component on whose behalf the running code runs, if any. */
export function owningComponent(): Component | undefined {
  return owner.getStore();
}

/** Pauses between attempts to open: from 100 ms doubling to 10 s, without end. */
const reopening: RetryPolicy = {
  attempts: Number.POSITIVE_INFINITY,
  initial: 100,
  max: 10_000,
  multiplier: 2,
  jitter: 0.1,
};
/** A connection that lived this long starts the pauses anew. */
const settledAfter = 10_000;
const longestOpening = 20_000;
/** How long the app may finish what it has after the source's connection was lost, in milliseconds. */
const finishing = 5_000;

/**
 * One component through its life: open, subscribe, run, fail, back off, open again. A failure is a
 * state with a reason, never an exit; only {@link Component.close} ends it.
 */
export class Component {
  readonly spec: ComponentSpec;
  readonly binding: AnyBinding;
  /** What to do about failures, as it is now. */
  readonly policies: ComponentPolicies;
  readonly #options: ComponentOptions;
  readonly #logger: RuntimeLogger;
  readonly #closing = new AbortController();
  #state: ComponentState = "starting";
  #reason = "";
  #since = new Date();
  #opened: Opened | undefined;
  readonly #openedWaiting = new Set<(opened: Opened | undefined) => void>();
  #settings: ComponentSettings | undefined;
  #directions: { input: boolean; output: boolean };
  #delivery: Delivery | undefined;
  #subscription: Subscription | undefined;
  #counts = { handled: 0, failedAttempts: 0 };
  #lose: ((reason: unknown) => void) | undefined;
  #run: Promise<void> | undefined;
  #drained: Promise<{ abandoned: number }> | undefined;
  #draining = false;

  constructor(options: ComponentOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.binding = options.binding;
    this.#logger = options.logger.child({ component: options.spec.name, type: options.spec.type });
    const log = logBreaker(this.#logger);
    this.policies = new ComponentPolicies(options.spec, options.policies, log);
    this.#directions = {
      input: options.binding.read !== undefined,
      output: options.binding.operations !== undefined,
    };
  }

  /** Starts, and resolves once it was tried or its `initTimeout` has passed. */
  start(): Promise<void> {
    this.#options.observer.stateChanged(this.spec.name, this.spec.type, this.#state);
    return new Promise((tried) => {
      const timer = setTimeout(tried, this.spec.initTimeout);
      this.#run = this.#live(() => {
        clearTimeout(timer);
        tried();
      });
    });
  }

  get status(): ComponentStatus {
    const { spec, binding } = this;
    const { state, reason } = this.#shownState();
    return {
      name: spec.name,
      type: spec.type,
      version: spec.version,
      state,
      reason,
      since: this.#since,
      origin: formatOrigin(spec.origin),
      directions: this.isStateStore ? { input: false, output: false } : this.#directions,
      operations:
        this.#directions.output && !this.isStateStore ? Object.keys(binding.operations ?? {}) : [],
      inFlight: this.#delivery?.inFlight ?? 0,
      waiting: this.#delivery?.waiting ?? 0,
      handled: this.#counts.handled + (this.#delivery?.handled ?? 0),
      failedAttempts: this.#counts.failedAttempts + (this.#delivery?.failedAttempts ?? 0),
      required: this.#settings?.required ?? false,
    };
  }

  /** Whether it can be invoked, were it connected. */
  get isOutput(): boolean {
    return this.#directions.output;
  }

  /** A state store takes the states of replies, and cannot be invoked from outside. */
  get isStateStore(): boolean {
    return this.spec.type.toLowerCase().startsWith("state.");
  }

  /** The HTTP path of the app for its events. */
  get route(): string {
    return this.#settings?.route || this.spec.name;
  }

  /** The opened connection, or `undefined`; the call path asks this first. */
  get opened(): Opened | undefined {
    return this.#opened;
  }

  /** Waits for the connection, at most `initTimeout`. Throws what keeps it from being there. */
  async whenOpened(signal: AbortSignal): Promise<Opened> {
    if (this.#opened !== undefined) return this.#opened;
    if (this.#state === "failed" || this.#closing.signal.aborted || signal.aborted)
      throw this.#unavailable();
    const opened = await new Promise<Opened | undefined>((resolve) => {
      const done = (one: Opened | undefined): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        this.#openedWaiting.delete(done);
        resolve(one);
      };
      const giveUp = (): void => done(undefined);
      const timer = setTimeout(giveUp, this.spec.initTimeout);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#openedWaiting.add(done);
    });
    if (opened === undefined) throw this.#unavailable();
    return opened;
  }

  /** Closes the connection and opens a new one, for a stray exception or an operator. */
  rebuild(reason: unknown): void {
    this.#lose?.(reason);
  }

  /** Ends the input: see `Runtime.drain`. */
  drain(deadline: number): Promise<{ abandoned: number }> {
    this.#draining = true;
    return (this.#drained ??= this.#endInput(deadline));
  }

  /** Drains if that was not done, then closes the connection. */
  async close(deadline = 0): Promise<void> {
    await this.drain(deadline);
    this.#closing.abort();
    this.#lose?.(undefined);
    this.#wakeOpened(undefined);
    await this.#run;
  }

  async #live(tried: () => void): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 1; !signal.aborted; failures++) {
      let openedAt: number | undefined;
      try {
        const lost = new Promise<unknown>((resolve) => (this.#lose = resolve));
        await using opened = await this.#open();
        openedAt = Date.now();
        tried();
        if (!this.#draining) await this.#beginInput(opened);
        else this.#set("running", "");
        const reason = await lost;
        this.#opened = undefined;
        if (signal.aborted) break;
        await this.#dropInput();
        this.#fail(reason, true);
      } catch (error) {
        this.#opened = undefined;
        await this.#dropInput();
        if (signal.aborted) break;
        this.#fail(error, openedAt !== undefined);
        tried();
      }
      if (openedAt !== undefined && Date.now() - openedAt > settledAfter) failures = 1;
      await pause(pauseAfter(reopening, failures), signal);
    }
  }

  async #open(): Promise<Opened & AsyncDisposable> {
    const { appId, http } = this.#options;
    const lost = this.#lose;
    const signal = AbortSignal.any([
      this.#closing.signal,
      AbortSignal.timeout(Math.max(this.spec.initTimeout, longestOpening)),
    ]);
    const opened = await openComponent({
      ...{ appId, spec: this.spec, binding: this.binding, http, signal, logger: this.#logger },
      run: (open) => owner.run(this, open),
      lost: (reason) => lost?.(reason),
      onDirections: (directions) => (this.#directions = directions),
    });
    this.#settings = opened.settings;
    this.policies.setOwn(ownPolicies(this.spec, this.binding, opened.metadata, opened.settings));
    this.#opened = opened;
    this.#wakeOpened(opened);
    return opened;
  }

  async #beginInput(opened: Opened): Promise<void> {
    const { app, fanOut } = this.#options;
    const { binding } = this;
    const settings = this.#settings;
    if (!this.#directions.input || settings === undefined) return this.#set("running", "");
    if (app === undefined) {
      if (this.#directions.output) return this.#set("running", "");
      return this.#set("waiting for app", "no app port was given; say --app-port");
    }
    const { name } = this.spec;
    // This connection's own: a reader that complains late must not end the next one.
    const lose = this.#lose;
    const lost = (reason: unknown): void => lose?.(shown(reason, opened.redact));
    let reader: Reader | undefined;
    const subscription = new Subscription({
      app,
      name,
      route: this.route,
      declared: settings.direction !== undefined,
      logger: this.#logger,
      onState: (wanted, reason) => this.#subscriptionState(wanted, reason),
      begin: async () => {
        const delivery = await openDelivery(binding, settings, this.policies, {
          ...this.#options,
          ...{ name, type: this.spec.type, route: this.route, app, logger: this.#logger },
          fanOut: (reply) => fanOut(reply, settings.replyFanOut),
          onCredit: (events) => reader?.credit?.(events),
          onHalt: (reason) => this.#halt(reason),
        });
        this.#delivery = delivery;
        try {
          reader = await owner.run(this, async () =>
            binding.read?.(opened.connection, {
              component: { name, appId: this.#options.appId },
              metadata: opened.metadata,
              logger: this.#logger,
              maxInFlight: settings.maxInFlight ?? app.intake?.maxInFlight ?? usualMaxInFlight,
              deliver: (events, source) => delivery.deliver(events, source),
              lost,
            }),
          );
          if (reader === undefined) throw new Error(`bindings.${binding.name} gave no reader`);
          return { reader, delivery };
        } catch (error) {
          // What came before it failed is the source's again.
          await delivery.drain(finishing);
          this.#inputEnded(delivery);
          throw error;
        }
      },
      ended: (delivery) => this.#inputEnded(delivery),
      failed: lost,
    });
    this.#subscription = subscription;
    subscription.start();
  }

  #subscriptionState(wanted: boolean, reason: string): void {
    if (wanted) this.#set("running", "");
    else if (this.#directions.output) this.#set("running", reason);
    else this.#set("waiting for app", reason);
  }

  /** What is unsettled is the source's again; the outputs go on. */
  #halt(reason: string): void {
    this.#set("paused", `halted, as onExhausted says: ${reason}`);
    void this.#endInput(finishing);
  }

  /** See `Delivery.redrive`. */
  async redrive(letter: DeadLetter, signal?: AbortSignal): Promise<Redriven> {
    if (this.#delivery !== undefined) return this.#delivery.redrive(letter, signal);
    const text = `component ${this.spec.name} reads nothing now (${this.status.state}); redrive once it runs`;
    throw new BindingError("failed_precondition", text);
  }

  #inputEnded(delivery: Delivery): void {
    this.#counts.handled += delivery.handled;
    this.#counts.failedAttempts += delivery.failedAttempts;
    this.#delivery = undefined;
  }

  /** The connection is gone: what the app has is awaited briefly, the rest is the source's again. */
  async #dropInput(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await subscription?.end(finishing);
  }

  async #endInput(deadline: number): Promise<{ abandoned: number }> {
    const subscription = this.#subscription;
    return (await subscription?.end(deadline)) ?? { abandoned: 0 };
  }

  #fail(error: unknown, wasOpen: boolean): void {
    const wrong = error instanceof BindingError && error.reason === "invalid_argument";
    const reason = messageOf(error);
    const next: ComponentState = wrong ? "failed" : "reconnecting";
    // Said once: a source that is down for an hour must not fill the log.
    if (this.#state !== next || this.#reason !== reason) {
      const facts = {
        reason,
        ...(this.spec.origin ? { origin: formatOrigin(this.spec.origin) } : {}),
      };
      if (wrong) this.#logger.error(facts, "component cannot start as it is written");
      else
        this.#logger.warn(
          facts,
          wasOpen ? "connection lost; connecting again" : "cannot connect; trying again",
        );
    }
    this.#set(next, reason);
  }

  #set(state: ComponentState, reason: string): void {
    if (state !== this.#state) {
      this.#since = new Date();
      this.#options.observer.stateChanged(this.spec.name, this.spec.type, state);
      if (state === "running") this.#logger.info({}, "component running");
    }
    this.#state = state;
    this.#reason = reason;
  }

  /** The state with what changes too often to be noted: the app's absence, a full window. */
  #shownState(): { state: ComponentState; reason: string } {
    const { app } = this.#options;
    if (this.#state === "running" && this.#delivery !== undefined && app !== undefined) {
      if (!app.available) return { state: "waiting for app", reason: app.unavailableReason };
      const { trouble, heldBy: held } = this.#delivery;
      if (trouble !== undefined) return { state: "stalled", reason: trouble.reason };
      if (held !== undefined) {
        const since = held.since.toISOString();
        return {
          state: "stalled",
          reason: `the window is full behind ${held.label}, which waits since ${since}`,
        };
      }
    }
    return { state: this.#state, reason: this.#reason };
  }

  #unavailable(): BindingError {
    const why = this.#reason === "" ? this.#state : `${this.#state}: ${this.#reason}`;
    return new BindingError(
      "unavailable",
      `component ${this.spec.name} is not connected (${why})`,
      { effect: "unsent" },
    );
  }

  #wakeOpened(opened: Opened | undefined): void {
    for (const wake of this.#openedWaiting) wake(opened);
  }
}

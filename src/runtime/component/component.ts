import { AsyncLocalStorage } from "node:async_hooks";
import type { AnyBinding } from "../../binding.ts";
import type { ComponentSpec } from "../../component.ts";
import { messageOf } from "../../errors.ts";
import { ComponentPolicies } from "../../policy/component-policies.ts";
import { logBreaker } from "./breaker-log.ts";
import { Calls } from "./calls.ts";
import { ComponentCode } from "./component-code.ts";
import type { ComponentSettings } from "./component-fields.ts";
import type { ComponentOptions } from "./component-options.ts";
import { breakersOf, componentStatus, notConnected, shownState } from "./component-status.ts";
import { firstUse } from "./first-use.ts";
import { Input } from "./input.ts";
import { Notices } from "./notices.ts";
import { openComponent, type Opened, type OpenedComponent } from "./opening.ts";
import { OpeningWaiters } from "./opening-waiters.ts";
import { ownPolicies } from "./own-policy.ts";
import type { Redact } from "../../secrets.ts";
import { SampledLogger } from "../sampled-logger.ts";
import { delay } from "../../delay.ts";
import { readinessOf, readReadiness, type Readiness } from "./readiness.ts";
import { cutCauseOf, Reopening } from "./reopening.ts";
import { isStateStore } from "./state-store.ts";
import { StateLog } from "./state-log.ts";
import type { ComponentStatus } from "../status.ts";
import { TimedPromise } from "./timed-promise.ts";
import { Stall, ConnectionMonitor } from "./connection-monitor.ts";

/** Which component a driver's stray exception belongs to: set while its binding opens and reads. */
export const owner = new AsyncLocalStorage<Component>();

const longestOpening = 20_000;
/** How long a changed component may take to begin to read, in milliseconds. */
const longestBeginning = 30_000;

/**
 * One component through its life: open, subscribe, run, fail, back off, open again. A failure is a
 * state with a reason, never an exit; only {@link Component.close} ends it.
 */
export class Component {
  /** To be loaded before it is opened or invoked. */
  readonly code: ComponentCode;
  /** The invocations that run; the connection is closed after them. */
  readonly calls = new Calls();
  /** What to do about failures, as it is now. */
  readonly policies: ComponentPolicies;
  /** The reading side, which can be paused. */
  readonly input: Input;
  readonly #options: ComponentOptions;
  readonly #logger: SampledLogger;
  readonly #log: StateLog;
  readonly #closing = new AbortController();
  readonly #waiters = new OpeningWaiters();
  readonly #notices: Notices;
  readonly #reopening = new Reopening();
  #spec: ComponentSpec;
  #opened: Opened | undefined;
  #settings: ComponentSettings | undefined;
  /** What it says before its settings are known. */
  #readiness: Readiness = "optional";
  #directions: { input: boolean; output: boolean };
  #rebuilds = 0;
  /** Rebuilds since the last event: each makes the next stall be told later. */
  #standstills = 0;
  #monitor: ConnectionMonitor | undefined;
  /** Whether it can begin to read in place of the one before it. */
  #beginning: TimedPromise | undefined;
  #refusal = "";
  #redact: Redact = (text) => text;
  #successor: Component | undefined;
  #use: (() => void) | undefined;
  #lose: ((reason: unknown) => void) | undefined;
  #run: Promise<void> | undefined;
  /** How long calls may go on once it closes, in milliseconds. */
  #closeWithin = 0;

  constructor(options: ComponentOptions) {
    this.#options = options;
    this.#spec = options.spec;
    this.code = new ComponentCode(options.binding);
    const { name, type } = options.spec;
    this.#logger = new SampledLogger(options.logger.child({ component: name, type }));
    this.#log = new StateLog(() => this.#spec, this.#logger, options.observer);
    this.#notices = new Notices(this.#logger);
    this.#directions = {
      input: options.binding.read !== undefined,
      output: options.binding.operations !== undefined,
    };
    this.policies = new ComponentPolicies(this.spec, options.policies, logBreaker(this.#logger));
    this.input = new Input({
      ...{ ...options, logger: this.#logger, policies: this.policies },
      code: this.code,
      ...{ name, type, isRead: () => this.#directions.input },
      run: (read) => owner.run(this, read),
      notice: (text) => this.#notices.add(text),
      received: (events) => {
        this.#standstills = 0;
        this.#monitor?.received(events);
      },
      onState: (state) => {
        this.#log.subscription(state, this.#directions.output);
        this.#beginning?.resolve();
      },
      onRefused: (why) => {
        this.#log.set("running", "");
        this.#beginning?.reject(why);
      },
    });
  }

  get spec(): ComponentSpec {
    return this.#spec;
  }

  get binding(): AnyBinding {
    return this.code.binding;
  }

  /** Starts, and resolves once it was tried or its `initTimeout` has passed. */
  start(): Promise<void> {
    this.#log.announce();
    return new Promise((tried) => {
      const timer = setTimeout(tried, this.spec.initTimeout);
      this.#run = this.#live(true, () => {
        clearTimeout(timer);
        tried();
      });
    });
  }

  /**
   * Opens beside the component that it is to follow, silently; nothing is read. Rejects with what keeps it
   * from being open within its `initTimeout`; it must be closed then.
   */
  verify(): Promise<void> {
    void this.input.stopReading(0);
    const { initTimeout } = this.spec;
    const timed = new TimedPromise(initTimeout, `it could not be opened within ${initTimeout} ms`);
    this.#run = this.#live(false, (error) =>
      error === undefined ? timed.resolve() : timed.reject(error),
    );
    return timed.promise;
  }

  /**
   * Follows the component, which reads no more, and resolves once this one reads, or has no reason to.
   * Rejects with what keeps it from reading; it must be closed then.
   */
  async follow(old: Component): Promise<void> {
    this.input.continueFrom(old.input);
    this.#rebuilds = old.#rebuilds;
    const timed = new TimedPromise(longestBeginning, "it did not begin to read in time");
    this.#beginning = timed;
    this.input.readAgain();
    const begins = this.#directions.input && this.#options.app !== undefined;
    if (this.#opened === undefined) timed.reject(new Error("its connection was lost again"));
    else if (!begins || !this.input.mayRead) timed.resolve();
    await timed.promise;
    this.#beginning = undefined;
    this.#log.announce();
  }

  /** From now on those who still have this one get the other's connection. */
  succeededBy(component: Component): void {
    this.#successor = component;
    component.calls.continueFrom(this.calls);
  }

  /** Notes why a changed definition could not follow this one; empty: nothing is to be told (any more). */
  noteRefusal(reason: string): void {
    this.#refusal = reason;
  }

  /** Takes the same definition from another place in the files. */
  relocate(spec: ComponentSpec): void {
    this.#spec = spec;
  }

  get status(): ComponentStatus {
    return componentStatus({
      spec: this.spec,
      ...this.#shown(),
      directions: this.isStateStore ? { input: false, output: false } : this.#directions,
      operations:
        this.#directions.output && !this.isStateStore
          ? (this.#opened?.operations ?? Object.keys(this.binding.operations ?? {}))
          : [],
      ...{ delivery: this.input.delivery, counts: this.input.counts, calls: this.calls.counts },
      ...{ rebuilds: this.#rebuilds, paused: this.input.paused },
      readiness: this.#settings === undefined ? this.#readiness : readinessOf(this.#settings),
      backlog: this.input.backlog(this.#monitor?.backlog),
      backlogIsPart: this.binding.backlogIsPart === true,
      breakers: breakersOf(this.policies, this.#directions),
    });
  }

  /** Whether it can be invoked, were it connected. */
  get isOutput(): boolean {
    return this.#directions.output;
  }

  /** A state store takes the states of replies, and cannot be invoked from outside. */
  get isStateStore(): boolean {
    return isStateStore(this.spec);
  }

  /** The HTTP path of the app for its events. */
  get route(): string {
    return this.#settings?.route || this.spec.name;
  }

  /** How long what is under way may take when it is changed, deleted or paused, in milliseconds. */
  get drainTimeout(): number {
    return this.#settings?.drainTimeout ?? 30_000;
  }

  /** The definition is wrong, as far as is known. */
  get isWrong(): boolean {
    return this.#log.state === "failed";
  }

  /** The opened connection, or `undefined`; the call path asks this first. */
  get opened(): Opened | undefined {
    return this.#opened;
  }

  /** Waits for the connection, at most `initTimeout`. Throws what keeps it from being there. */
  async whenOpened(signal: AbortSignal): Promise<Opened> {
    if (this.#opened !== undefined) return this.#opened;
    if (this.#successor !== undefined) return this.#successor.whenOpened(signal);
    this.#use?.();
    const hopeless = this.#log.state === "failed" || this.#closing.signal.aborted;
    if (hopeless || signal.aborted) throw this.#unavailable();
    const opened = await this.#waiters.wait(this.spec.initTimeout, signal);
    if (opened !== undefined) return opened;
    // `succeededBy` may have been called while this waited.
    const successor = this.#successor as Component | undefined;
    if (successor === undefined || signal.aborted) throw this.#unavailable();
    return successor.whenOpened(signal);
  }

  /** Closes the connection and opens a new one, for a stray exception or an operator. Returns the reason to show. */
  rebuild(thrown: unknown): string {
    const reason = this.#redact(messageOf(thrown));
    this.#lose?.(new Error(reason));
    return reason;
  }

  /** Ends the input for good: see `Runtime.drain`. */
  drain(deadline: number): Promise<{ abandoned: number }> {
    this.#beginning?.resolve();
    return this.input.drain(deadline);
  }

  /** Drains if that was not done, lets invocations end within the deadline, then closes the connection. */
  async close(deadline = 0): Promise<void> {
    const end = performance.now() + deadline;
    await this.drain(deadline);
    this.#closeWithin = Math.max(0, end - performance.now());
    this.#closing.abort();
    this.#lose?.(undefined);
    this.#waiters.wake(undefined);
    await this.#run;
    this.#logger.flush();
  }

  async #live(maybeLazy: boolean, tried: (error?: unknown) => void): Promise<void> {
    const { signal } = this.#closing;
    this.#readiness = await readReadiness(this.spec);
    if (maybeLazy) await this.#firstUse(tried);
    while (!signal.aborted) {
      let wasOpen = false;
      try {
        let over = false;
        const lost = new Promise<unknown>((resolve) => {
          this.#lose = (reason) => {
            over = true;
            resolve(reason);
          };
        });
        await using opened = await this.#open();
        wasOpen = true;
        this.#reopening.opened(cutCauseOf(this.binding, opened));
        if (!over) tried();
        this.#begin(opened, opened.settings);
        using _ = this.#watchOver(opened);
        const reason = await lost;
        if (signal.aborted) await this.calls.ended(this.#closeWithin);
        this.#opened = undefined;
        if (signal.aborted) break;
        await this.input.disconnected();
        this.#failed(reason, wasOpen);
        tried(reason);
      } catch (error) {
        this.#opened = undefined;
        await this.input.disconnected();
        if (signal.aborted) break;
        this.#failed(error, wasOpen);
        tried(error);
      }
      await delay(this.#reopening.pause, signal);
    }
    tried(new Error("it was closed"));
  }

  /** Waits for the first use of a component that is to be connected only then. */
  async #firstUse(tried: () => void): Promise<void> {
    const used = new Promise<void>((resolve) => (this.#use = resolve));
    await firstUse({
      ...{ spec: this.spec, binding: this.binding, used, signal: this.#closing.signal },
      app: this.#options.app,
      onLazy: (definition) => {
        this.#settings = definition.settings;
        this.#directions = definition.directions;
        this.#log.set("starting", "not used yet");
        tried();
      },
    });
    this.#use = undefined;
  }

  async #open(): Promise<OpenedComponent> {
    await this.code.load?.();
    this.#notices.clear();
    const lost = this.#lose;
    const signal = AbortSignal.any([
      this.#closing.signal,
      AbortSignal.timeout(Math.max(this.spec.initTimeout, longestOpening)),
    ]);
    const opened = await openComponent({
      ...this.#options,
      ...{ spec: this.spec, binding: this.binding, signal },
      logger: this.#logger,
      run: (open) => owner.run(this, open),
      lost: (reason) => lost?.(reason),
      notice: (text) => this.#notices.add(text),
      onDirections: (directions) => (this.#directions = directions),
      onRedact: (redact) => (this.#redact = redact),
      onSecrets: () => this.#log.haveSecrets(),
    });
    this.#settings = opened.settings;
    this.policies.setOwn(ownPolicies(this.spec, this.binding, opened.metadata, opened.settings));
    this.#opened = opened;
    this.#waiters.wake(opened);
    return opened;
  }

  #begin(opened: Opened, settings: ComponentSettings): void {
    // This connection's own: a reader that complains late must not end the next one.
    const lose = this.#lose;
    const lost = (reason: unknown): void => lose?.(reason);
    const { app } = this.#options;
    const reads = this.#directions.input && (app !== undefined || !this.#directions.output);
    if (!reads || !this.input.mayRead) this.#log.set("running", "");
    const shared = this.#directions.output;
    if (reads) this.input.connected({ opened, settings, route: this.route, shared, lost });
  }

  #watchOver(opened: Opened): Disposable {
    const monitor = new ConnectionMonitor({
      binding: this.binding,
      opened,
      stallTimeout: (this.#settings?.stallTimeout ?? 0) * 2 ** Math.min(5, this.#standstills),
      logger: this.#logger,
      facts: () => this.input.stallFacts,
      stalled: (stall) => {
        this.#rebuilds++;
        this.#standstills++;
        this.#lose?.(stall);
      },
    });
    this.#monitor = monitor;
    return {
      [Symbol.dispose]: () => {
        monitor.end();
        this.#monitor = undefined;
      },
    };
  }

  #failed(end: unknown, wasOpen: boolean): void {
    const reason = this.#reopening.ended(end);
    if (reason instanceof Stall) this.#log.set("stalled", reason.message);
    else this.#log.fail(reason, wasOpen);
    this.#beginning?.reject(reason);
  }

  #shown() {
    const { state, reason, since, awaitsApp } = this.#log;
    const { app } = this.#options;
    return shownState({
      ...{ state, reason, since, awaitsApp, app, refusal: this.#refusal, ...this.input.shown },
      notices: [this.#notices.text, this.#reopening.trouble].filter(Boolean).join("; "),
    });
  }

  #unavailable(): Error {
    return notConnected(this.spec.name, this.#log, this.#closing.signal.aborted);
  }
}

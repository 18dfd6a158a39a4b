import { clock } from "../../clock.ts";
import type { Logger } from "../../binding.ts";
import { formatOrigin, type ComponentSpec } from "../../component.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Observer } from "../observer.ts";
import type { ComponentState } from "../status.ts";
import { isStateStore, stateStoreNotice } from "./state-store.ts";
import type { SubscriptionState } from "./subscription.ts";

/** A component's state as it goes on, told to the log and the observer. Until it is announced, nothing is told. */
export class StateLog {
  readonly #spec: () => ComponentSpec;
  readonly #logger: Logger;
  readonly #observer: Observer;
  #state: ComponentState = "starting";
  #reason = "";
  #since = new Date(clock.now());
  #announced = false;
  #awaitsApp = false;
  /** The reason that was logged last of the app's answers; empty: none, or it has passed. */
  #loggedOfApp = "";

  constructor(spec: () => ComponentSpec, logger: Logger, observer: Observer) {
    this.#spec = spec;
    this.#logger = logger;
    this.#observer = observer;
  }

  get state(): ComponentState {
    return this.#state;
  }

  get reason(): string {
    return this.#reason;
  }

  get since(): Date {
    return this.#since;
  }

  /** Nothing is known of an input but that its app is not there. */
  get awaitsApp(): boolean {
    return this.#awaitsApp;
  }

  announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    const stores = this.#spec().remoteSecretStores ?? [];
    if (this.#state === "starting" && stores.length > 0)
      this.#reason = `waiting for secrets of ${stores.join(", ")}`;
    this.#tell();
  }

  /**
   * Notes what the app says of the input; `isOutput`: it runs as an output all the same. That the app is away is told
   * once for all components, elsewhere; what it says of one is logged here, again after growing pauses while it lasts.
   */
  subscription(subscription: SubscriptionState, isOutput: boolean): void {
    const { kind, reason } = subscription;
    this.set(kind === "wanted" || isOutput ? "running" : "waiting for app", reason);
    this.#awaitsApp = kind === "app away";
    if (kind === "unwanted" || kind === "unanswered") this.#logOfApp(subscription, isOutput);
    else if (kind === "wanted" && this.#loggedOfApp !== "") {
      this.#loggedOfApp = "";
      this.#logger.info({}, "the app wants the events now");
    }
  }

  #logOfApp(
    { kind, reason, times }: SubscriptionState & { kind: "unwanted" | "unanswered" },
    isOutput: boolean,
  ): void {
    // An app that has just come up may not answer the first time.
    const isDue = isPowerOfTwo(times) && !(kind === "unanswered" && times === 1);
    if (!isDue && (kind === "unanswered" || reason === this.#loggedOfApp)) return;
    this.#loggedOfApp = reason;
    const { origin } = this.#spec();
    const facts = { reason, ...(origin ? { origin: formatOrigin(origin) } : {}) };
    if (kind === "unanswered")
      this.#logger.warn(facts, "the app is asked again with growing pauses");
    // Apps that only invoke such a component are as common.
    else if (isOutput) this.#logger.info(facts, "the app does not want the component's events");
    else
      this.#logger.warn(facts, "the app does not want the component's events; it is asked again");
  }

  set(state: ComponentState, reason: string): void {
    this.#awaitsApp = false;
    const changed = state !== this.#state;
    this.#state = state;
    this.#reason = reason;
    if (!changed) return;
    this.#since = new Date(clock.now());
    if (this.#announced) this.#tell();
  }

  /** The secrets that it began with waiting for are there. */
  haveSecrets(): void {
    if (this.#state === "starting") this.set("starting", "");
  }

  /** Notes why the component is not connected. */
  fail(error: unknown, wasOpen: boolean): void {
    const wrong = error instanceof BindingError && error.reason === "invalid_argument";
    const reason = messageOf(error);
    const next: ComponentState = wrong ? "failed" : "reconnecting";
    // Said once: a source that is down for an hour must not fill the log.
    if (this.#announced && (this.#state !== next || this.#reason !== reason)) {
      const { origin } = this.#spec();
      const facts = { reason, ...(origin ? { origin: formatOrigin(origin) } : {}) };
      if (wrong) this.#logger.error(facts, "component cannot start as it is written");
      else
        this.#logger.warn(
          facts,
          wasOpen ? "connection lost; connecting again" : "cannot connect; trying again",
        );
    }
    this.set(next, reason);
  }

  #tell(): void {
    const { name, type } = this.#spec();
    this.#observer.stateChanged(name, type, this.#state);
    if (this.#state !== "running") return;
    const what = isStateStore(this.#spec()) ? `: ${stateStoreNotice}` : "";
    this.#logger.info({}, `component running${what}`);
  }
}

function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}

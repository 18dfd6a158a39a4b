import type { Logger } from "../../binding.ts";
import { formatOrigin, type ComponentSpec } from "../../component.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Observer } from "../observer.ts";
import type { ComponentState } from "../status.ts";

/** A component's state as it goes on, told to the log and the observer. Until it is announced, nothing is told. */
export class StateLog {
  readonly #spec: () => ComponentSpec;
  readonly #logger: Logger;
  readonly #observer: Observer;
  #state: ComponentState = "starting";
  #reason = "";
  #since = new Date();
  #announced = false;

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

  announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#tell();
  }

  set(state: ComponentState, reason: string): void {
    const changed = state !== this.#state;
    this.#state = state;
    this.#reason = reason;
    if (!changed) return;
    this.#since = new Date();
    if (this.#announced) this.#tell();
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
    if (this.#state === "running") this.#logger.info({}, "component running");
  }
}

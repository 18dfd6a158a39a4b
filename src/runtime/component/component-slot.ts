import { clock, type Timer } from "../../clock.ts";
import { formatOrigin, type ComponentSpec } from "../../component.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Component } from "./component.ts";
import { unknownStatus } from "./component-status.ts";
import { readReadiness } from "./readiness.ts";
import type { ComponentChange } from "./reload.ts";
import type { RuntimeLogger } from "../runtime-logger.ts";
import type { ComponentStatus } from "../status.ts";
import type { WorkerSide } from "../worker-side.ts";
import { replaceComponent } from "./replacement.ts";

/** What becomes of a change that was overtaken. */
const superseded = "a newer definition came";

export type SlotOptions = {
  readonly name: string;
  /** Makes a component, or tells why there can be none. */
  readonly make: (spec: ComponentSpec) => Component | string;
  readonly logger: RuntimeLogger;
  readonly worker?: Pick<WorkerSide, "agree"> | undefined;
  /** Told which component outputs find under the name from now on. */
  readonly onSwitch: (component: Component | undefined) => void;
};

/** The pause after which a refused definition is tried again by itself, doubling, and the longest, in milliseconds. */
const [firstRetry, longestRetry] = [30_000, 300_000];

/**
 * A name under which a component runs, and the changes of its definition one after another: of those that wait
 * for one that is under way, only the newest is made. What goes on in one slot holds up no other.
 */
export class ComponentSlot {
  readonly #options: SlotOptions;
  #current: Component | undefined;
  /** The one that is to follow. */
  #next: Component | undefined;
  /** A definition of no known type. */
  #unknown: { spec: ComponentSpec; status: ComponentStatus } | undefined;
  #wanted: ComponentSpec | undefined;
  #latest = 0;
  #busy: Promise<unknown> | undefined;
  #drain: number | undefined;
  /** Whether the definition that is to follow could be opened. */
  #proved = false;
  #retry: Timer | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  get current(): Component | undefined {
    return this.#current;
  }

  /** Whether a definition is there, or on its way. */
  get isWanted(): boolean {
    return this.#wanted !== undefined;
  }

  /** Nothing is there, on its way, or still ending. */
  get isEmpty(): boolean {
    return !this.isWanted && this.#current === undefined && this.#busy === undefined;
  }

  /** The definition, while nothing is of its type. */
  get unknownSpec(): ComponentSpec | undefined {
    return this.#unknown?.spec;
  }

  get status(): ComponentStatus | undefined {
    return this.#current?.status ?? this.#unknown?.status;
  }

  /** The components that run under the name: while one follows another, both. */
  get components(): Component[] {
    return [this.#current, this.#next].filter((one) => one !== undefined);
  }

  /**
   * Makes the definition the one that runs, once `after` has resolved; `undefined`: none. Never rejects, as `after`
   * must not.
   */
  want(spec: ComponentSpec | undefined, after?: Promise<unknown>): Promise<ComponentChange> {
    const turn = ++this.#latest;
    this.#wanted = spec;
    clock.clearTimeout(this.#retry);
    const change = (): Promise<ComponentChange> | ComponentChange =>
      turn === this.#latest
        ? this.#change(spec, turn)
        : this.#told("kept", "applied", superseded, spec);
    return this.#inTurn(after === undefined ? change : () => after.then(change));
  }

  /** Opens the same definition anew, as if it had changed. Rejects with what keeps it from being open. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#drain !== undefined)
        throw new BindingError(
          "unavailable",
          `${this.#options.name} is not reopened: the runtime stops`,
        );
      const old = this.#current;
      if (old !== undefined) await this.#follow(old, old.spec);
    });
  }

  async drain(deadline: number): Promise<{ abandoned: number }> {
    this.#drain = deadline;
    const results = await Promise.all(this.components.map((one) => one.drain(deadline)));
    return { abandoned: results.reduce((sum, { abandoned }) => sum + abandoned, 0) };
  }

  async close(deadline: number): Promise<void> {
    this.#latest++;
    clock.clearTimeout(this.#retry);
    this.#drain ??= deadline;
    await Promise.all(this.components.map((one) => one.close(deadline)));
    await this.#busy;
    await Promise.all(this.components.map((one) => one.close(deadline)));
  }

  /** At once where nothing is under way, since the first components must be known at once. */
  #inTurn<T>(run: () => Promise<T> | T): Promise<T> {
    const before = this.#busy;
    const result = before === undefined ? Promise.resolve(run()) : before.then(run);
    const busy: Promise<unknown> = result
      .catch(() => undefined)
      .then(() => {
        if (this.#busy === busy) this.#busy = undefined;
      });
    this.#busy = busy;
    return result;
  }

  #change(
    spec: ComponentSpec | undefined,
    turn: number,
  ): Promise<ComponentChange> | ComponentChange {
    const old = this.#current;
    if (spec === undefined) return this.#delete(old);
    if (old === undefined) return this.#create(spec);
    if (spec.prepare === undefined) return this.#compare(old, spec);
    return spec
      .prepare()
      .then(() =>
        turn === this.#latest
          ? this.#compare(old, spec)
          : this.#told("kept", "applied", superseded, spec),
      );
  }

  #compare(old: Component, spec: ComponentSpec): Promise<ComponentChange> | ComponentChange {
    if (!isSame(old.spec, spec)) return this.#update(old, spec);
    old.relocate(spec);
    old.noteRefusal("");
    return this.#told("kept", "applied", "", spec);
  }

  async #delete(old: Component | undefined): Promise<ComponentChange> {
    this.#unknown = undefined;
    if (old === undefined) return this.#told("deleted", "applied", "", undefined);
    this.#switch(undefined);
    this.#options.logger.info({ component: this.#options.name }, "component deleted");
    await old.close(old.drainTimeout);
    return this.#told("deleted", "applied", "", old.spec);
  }

  async #unknownType(spec: ComponentSpec, reason: string): Promise<ComponentChange> {
    const since = new Date(clock.now());
    this.#unknown = { spec, status: unknownStatus(spec, reason, since, "optional") };
    const readiness = await readReadiness(spec);
    this.#unknown = { spec, status: unknownStatus(spec, reason, since, readiness) };
    return this.#told("created", "failed", reason, spec);
  }

  #create(spec: ComponentSpec): Promise<ComponentChange> | ComponentChange {
    const before = this.#unknown;
    if (before !== undefined && isSame(before.spec, spec))
      return this.#told("kept", "applied", before.status.reason, spec);
    const made = this.#options.make(spec);
    if (typeof made === "string") {
      const { name, logger } = this.#options;
      logger.error({ component: name, origin: formatOrigin(spec.origin) }, made);
      return this.#unknownType(spec, made);
    }
    this.#unknown = undefined;
    this.#switch(made);
    return made.start().then(() => {
      const { state, reason } = made.status;
      return this.#told("created", state === "failed" ? "failed" : "applied", reason, spec);
    });
  }

  async #update(old: Component, spec: ComponentSpec, retry = firstRetry): Promise<ComponentChange> {
    const { name, logger } = this.#options;
    try {
      await this.#follow(old, spec);
      logger.info({ component: name, origin: formatOrigin(spec.origin) }, "component changed");
      const reason = this.#current?.opened === undefined ? (this.status?.reason ?? "") : "";
      return this.#told("updated", "applied", reason, spec);
    } catch (error) {
      const reason = messageOf(error);
      const origin = formatOrigin(spec.origin);
      const definition = origin === "" ? "a changed definition" : `the definition of ${origin}`;
      old.noteRefusal(`${definition} could not be taken over: ${reason}`);
      const isFirst = retry === firstRetry;
      logger[isFirst ? "error" : "debug"](
        { component: name, origin, reason },
        "the changed definition could not be taken over; the component goes on as before",
      );
      if (!this.#proved && !isWrongAsWritten(error)) this.#tryAgain(spec, retry);
      return this.#told("updated", "failed", reason, spec);
    }
  }

  /**
   * After a pause, and unless another definition has come: the server, the account or the secret that it names may be
   * there then. Only while the old one is not interrupted by that.
   */
  #tryAgain(spec: ComponentSpec, pause: number): void {
    const turn = this.#latest;
    this.#retry = clock
      .setTimeout(() => {
        void this.#inTurn(async () => {
          const old = this.#current;
          if (turn !== this.#latest || old === undefined || this.#drain !== undefined) return;
          await this.#update(old, spec, Math.min(pause * 2, longestRetry));
        });
      }, pause)
      .unref();
  }

  async #follow(old: Component, spec: ComponentSpec): Promise<void> {
    this.#proved = false;
    const next = this.#options.make(spec);
    if (typeof next === "string") throw new BindingError("invalid_argument", next);
    this.#next = next;
    const { name, worker } = this.#options;
    try {
      await replaceComponent(old, next, {
        agree: worker && ((proved) => worker.agree(name, proved)),
        onVerified: () => (this.#proved = true),
        switchOutputs: () => this.#switch(next),
      });
    } finally {
      this.#next = undefined;
    }
  }

  #switch(component: Component | undefined): void {
    this.#current = component;
    if (this.#drain !== undefined) void component?.drain(this.#drain);
    this.#options.onSwitch(component);
  }

  #told(
    change: ComponentChange["change"],
    outcome: ComponentChange["outcome"],
    reason: string,
    spec: ComponentSpec | undefined,
  ): ComponentChange {
    const { name } = this.#options;
    return { name, change, outcome, reason, origin: formatOrigin(spec?.origin) };
  }
}

function isWrongAsWritten(error: unknown): boolean {
  return error instanceof BindingError && error.reason === "invalid_argument";
}

function isSame(one: ComponentSpec, other: ComponentSpec): boolean {
  if (one === other) return true;
  return one.fingerprint !== undefined && one.fingerprint === other.fingerprint;
}

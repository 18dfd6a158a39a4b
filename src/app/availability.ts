import type { Logger } from "../binding.ts";
import type { AppCondition } from "./app-condition.ts";
import type { AppProtocol } from "./app-protocol.ts";
import { AvailabilityLog } from "./availability-log.ts";
import { AppHealth, type AppHealthOptions } from "./health.ts";
import { ProtocolCheck } from "./protocol-check.ts";

/** A way to the app that comes and goes. */
export type Link = {
  /** Whether a request can be written now. */
  readonly ready: boolean;
  /** Why not; empty while it can. */
  readonly reason: string;
  /** Calls the listener after `ready` has changed. */
  onChange(listener: () => void): () => void;
  /** Calls the listener when the other side was reached, and did not answer as the protocol has it. */
  onProtocolFailure(listener: () => void): () => void;
};

export type AvailabilityOptions = {
  readonly link: Link;
  readonly protocol: AppProtocol;
  readonly host: string;
  readonly port: number;
  /** Absent: health is not asked for. */
  readonly health: AppHealthOptions | undefined;
  /** Throws when the app is not well. */
  readonly probe: (timeout: number) => Promise<void>;
  readonly logger: Logger;
};

/**
 * Whether the app can be given events: its link is ready, it speaks the protocol that it should and, where that is
 * asked for, it is healthy. The one place that observes this: the log and the states of components follow from it.
 */
export class Availability {
  readonly #link: Link;
  readonly #health: AppHealth | undefined;
  readonly #protocol: ProtocolCheck;
  readonly #log: AvailabilityLog;
  readonly #listeners = new Set<() => void>();
  #kind: AppCondition["kind"];
  #since = new Date();

  constructor({ link, protocol, host, port, health, probe, logger }: AvailabilityOptions) {
    this.#link = link;
    const changed = (): void => this.#update();
    this.#protocol = new ProtocolCheck({ protocol, host, port, changed });
    if (health !== undefined) this.#health = new AppHealth(health, probe, changed);
    this.#kind = this.condition.kind;
    this.#log = new AvailabilityLog({
      logger,
      about: { at: `${host}:${port}`, protocol },
      advice: "; does it run, and is --app-port the port that it listens on?",
      condition: () => this.condition,
    });
    link.onProtocolFailure(() => this.suspect());
    link.onChange(() => {
      if (link.ready) this.#health?.start();
      else this.#health?.stop();
      if (link.ready) this.#protocol.recheck();
      this.#update();
    });
    if (link.ready) this.#health?.start();
    this.#log.changed();
  }

  /** Empty while the app is available. */
  get reason(): string {
    return this.available ? "" : this.condition.reason;
  }

  get available(): boolean {
    return this.#kind === "ready";
  }

  /** Since when it is as it is. */
  get since(): Date {
    return this.#since;
  }

  get condition(): AppCondition {
    if (this.#protocol.reason !== "")
      return { kind: "wrong protocol", reason: this.#protocol.reason };
    if (!this.#link.ready) return { kind: "absent", reason: this.#link.reason };
    const unwell = this.#health?.reason ?? "";
    return unwell === "" ? { kind: "ready", reason: "" } : { kind: "unhealthy", reason: unwell };
  }

  /** An answer of the app looks like another protocol's. */
  suspect(): void {
    this.#protocol.suspect();
  }

  /** Calls the listener whenever {@link available} changes; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#health?.stop();
    this.#protocol.close();
    this.#log.close();
    this.#listeners.clear();
  }

  #update(): void {
    const before = this.#kind;
    this.#kind = this.condition.kind;
    if (before === this.#kind) return;
    this.#since = new Date();
    this.#log.changed();
    if ((before === "ready") === this.available) return;
    for (const listener of this.#listeners) listener();
  }
}

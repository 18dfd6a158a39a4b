import { AppHealth, type AppHealthOptions } from "./health.ts";

/** A way to the app that comes and goes. */
export type Link = {
  /** Whether a request can be written now. */
  readonly ready: boolean;
  /** Why not; empty while it can. */
  readonly reason: string;
  /** Calls the listener after `ready` has changed. */
  onChange(listener: () => void): () => void;
};

/** Whether the app can be given events: its link is ready and, where that is asked for, it is healthy. */
export class Availability {
  readonly #link: Link;
  readonly #health: AppHealth | undefined;
  readonly #listeners = new Set<() => void>();
  #reason: string;

  constructor(
    link: Link,
    health: AppHealthOptions | undefined,
    probe: (timeout: number) => Promise<void>,
  ) {
    this.#link = link;
    if (health !== undefined) this.#health = new AppHealth(health, probe, () => this.#update());
    this.#reason = this.#currentReason();
    link.onChange(() => {
      if (link.ready) this.#health?.start();
      else this.#health?.stop();
      this.#update();
    });
    if (link.ready) this.#health?.start();
  }

  /** Empty while the app is available. */
  get reason(): string {
    return this.#reason === "" ? "" : this.#currentReason();
  }

  get available(): boolean {
    return this.#reason === "";
  }

  /** Calls the listener whenever {@link available} changes; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#health?.stop();
    this.#listeners.clear();
  }

  #currentReason(): string {
    return this.#link.ready ? (this.#health?.reason ?? "") : this.#link.reason;
  }

  #update(): void {
    const before = this.available;
    this.#reason = this.#currentReason();
    if (before === this.available) return;
    for (const listener of this.#listeners) listener();
  }
}

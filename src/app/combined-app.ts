import type { Logger } from "../binding.ts";
import type { App, ComponentNames, Delivery, Intake, Outcome } from "../runtime/app.ts";
import { AvailabilityLog } from "./availability-log.ts";
import type { EventStreams } from "./event-streams.ts";
import { whyUnlisted } from "./unlisted.ts";

/** The most events of a component that streams have at one time, where neither it nor their credit says less. */
const maxInFlight = 1000;

/** The app that listens on a port, if there is one, and the streams that lead to it. */
export class CombinedApp implements App {
  readonly streams: EventStreams;
  readonly #port: App | undefined;
  readonly #logger: Logger;
  /** Tells of an app without a port once an input waits for one; with a port, its own side tells. */
  #log: AvailabilityLog | undefined;

  constructor(streams: EventStreams, port: App | undefined, logger: Logger) {
    this.streams = streams;
    this.#port = port;
    this.#logger = logger;
  }

  get available(): boolean {
    return this.#port?.available ?? false;
  }

  get unavailableReason(): string {
    return this.#port === undefined ? noApp : this.#port.unavailableReason;
  }

  get unavailableSince(): Date | undefined {
    return this.#port?.unavailableSince;
  }

  onAvailability(listener: () => void): () => void {
    return this.#port?.onAvailability(listener) ?? (() => undefined);
  }

  async wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean> {
    return this.#port?.wants(input, signal) ?? false;
  }

  whyUnwanted(input: { name: string; route: string }): string {
    return this.#port?.whyUnwanted?.(input) ?? "";
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    if (this.#port === undefined) return Promise.resolve({ kind: "unsent", reason: noApp });
    return this.#port.deliver(delivery, signal);
  }

  of(name: string): App {
    return new InputApp(name, this, this.streams);
  }

  componentsChanged(components: ComponentNames): void {
    this.streams.subscriptions.componentsChanged(components);
  }

  /** An input waits for events. */
  awaited(): void {
    if (this.#port !== undefined || this.#log !== undefined) return;
    const { streams } = this;
    const log = new AvailabilityLog({
      logger: this.#logger,
      about: {},
      advice: "",
      condition: () =>
        streams.isJoined ? { kind: "ready", reason: "" } : { kind: "absent", reason: noApp },
    });
    this.#log = log;
    let was = streams.isJoined;
    streams.onChange(() => {
      if (was === streams.isJoined) return;
      was = streams.isJoined;
      log.changed();
    });
    log.changed();
  }

  async close(): Promise<void> {
    this.#log?.close();
    this.streams.close();
    await this.#port?.close();
  }
}

const noApp =
  "there is no app: say --app-port for one that listens, or start one that dials in, such as by createApp";

/** The app as one input sees it: the streams that subscribe to it, else the port. */
class InputApp implements App {
  readonly intake: Intake;
  readonly #name: string;
  readonly #port: CombinedApp;
  readonly #streams: EventStreams;

  constructor(name: string, port: CombinedApp, streams: EventStreams) {
    this.#name = name;
    this.#port = port;
    this.#streams = streams;
    this.intake = {
      takes: (lane, unsettled) => {
        if (streams.wants(name)) return streams.takes(name, lane, unsettled);
        return unsettled > 0 ? "lane waits" : "now";
      },
      onRoom: (listener) => streams.onRoom(listener),
      get maxInFlight() {
        return streams.wants(name) ? maxInFlight : undefined;
      },
    };
  }

  get available(): boolean {
    return this.#port.available || this.#streams.wants(this.#name);
  }

  get unavailableReason(): string {
    return this.available ? "" : this.#port.unavailableReason;
  }

  get unavailableSince(): Date | undefined {
    return this.available ? undefined : this.#port.unavailableSince;
  }

  get takesOthersOnly(): boolean {
    return !this.available && this.#streams.isJoined;
  }

  onAvailability(listener: () => void): () => void {
    this.#port.awaited();
    const ends = [this.#port.onAvailability(listener), this.#streams.onChange(listener)];
    return () => {
      for (const end of ends) end();
    };
  }

  async wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean> {
    return this.#streams.wants(input.name) || this.#port.wants(input, signal);
  }

  whyUnwanted(input: { name: string; route: string }): string {
    if (this.takesOthersOnly) return whyUnlisted(input.name, this.#streams.bindings);
    return this.#port.whyUnwanted(input);
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const to = this.#streams.wants(this.#name) ? this.#streams : this.#port;
    return to.deliver(delivery, signal);
  }

  async close(): Promise<void> {}
}

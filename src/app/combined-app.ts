import type { App, Delivery, Intake, Outcome } from "../runtime/app.ts";
import type { EventStreams } from "./event-streams.ts";

/** The most events of a component that streams have at one time, where neither it nor their credit says less. */
const maxInFlight = 1000;

/** The app that listens on a port, if there is one, and the streams that lead to it. */
export class CombinedApp implements App {
  readonly streams: EventStreams;
  readonly #port: App | undefined;

  constructor(streams: EventStreams, port: App | undefined) {
    this.streams = streams;
    this.#port = port;
  }

  get available(): boolean {
    return this.#port?.available ?? false;
  }

  get unavailableReason(): string {
    return this.#port === undefined ? noApp : this.#port.unavailableReason;
  }

  onAvailability(listener: () => void): () => void {
    return this.#port?.onAvailability(listener) ?? (() => undefined);
  }

  async wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean> {
    return this.#port?.wants(input, signal) ?? false;
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    if (this.#port === undefined) return Promise.resolve({ kind: "unsent", reason: noApp });
    return this.#port.deliver(delivery, signal);
  }

  of(name: string): App {
    return new InputApp(name, this, this.streams);
  }

  async close(): Promise<void> {
    this.streams.close();
    await this.#port?.close();
  }
}

const noApp =
  "there is no app: say --app-port, or let the app subscribe by cufflink.v1.Bindings/SubscribeBindings";

/** The app as one input sees it: the streams that subscribe to it, else the port. */
class InputApp implements App {
  readonly intake: Intake;
  readonly #name: string;
  readonly #port: App;
  readonly #streams: EventStreams;

  constructor(name: string, port: App, streams: EventStreams) {
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

  onAvailability(listener: () => void): () => void {
    const ends = [this.#port.onAvailability(listener), this.#streams.onChange(listener)];
    return () => {
      for (const end of ends) end();
    };
  }

  async wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean> {
    return this.#streams.wants(input.name) || this.#port.wants(input, signal);
  }

  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const to = this.#streams.wants(this.#name) ? this.#streams : this.#port;
    return to.deliver(delivery, signal);
  }

  async close(): Promise<void> {}
}

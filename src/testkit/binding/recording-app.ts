import type { App, Delivery, Outcome } from "../../runtime/app.ts";

/** The app has handled the event. */
export const handled: Outcome = { kind: "handled", reply: undefined };

/** It has not. `after`: the pause that the app asks for, in milliseconds. */
export function refused(reason = "no", after?: number): Outcome {
  return { kind: "refused", reason, ...(after === undefined ? {} : { after }) };
}

type Handle = (delivery: Delivery, signal: AbortSignal) => Outcome | Promise<Outcome>;

/** An app in the test: what it got is kept, and it answers as `handle` says. */
export class RecordingApp implements App {
  readonly deliveries: Delivery[] = [];
  readonly asked: string[] = [];
  handle: Handle;
  wantsInput: (input: { name: string; route: string }) => Promise<boolean> = async () => true;
  whyUnwanted?: (input: { name: string; route: string }) => string;
  takesOthersOnly = false;
  unavailableSince: Date | undefined = undefined;
  reason = "the app is away";
  most = 0;
  #available = true;
  #running = 0;
  readonly #listeners = new Set<() => void>();

  constructor(handle: Handle = () => handled) {
    this.handle = handle;
  }

  get available(): boolean {
    return this.#available;
  }

  set available(available: boolean) {
    this.#available = available;
    for (const listener of this.#listeners) listener();
  }

  get unavailableReason(): string {
    return this.#available ? "" : this.reason;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** The payloads in the order in which they came. */
  get texts(): string[] {
    return this.deliveries.map(({ data }) => Buffer.from(data ?? "null").toString());
  }

  onAvailability(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async wants(input: { name: string; route: string }): Promise<boolean> {
    this.asked.push(input.name);
    return this.wantsInput(input);
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    this.deliveries.push(delivery);
    this.#running++;
    this.most = Math.max(this.most, this.#running);
    try {
      return await this.handle(delivery, signal);
    } finally {
      this.#running--;
    }
  }

  async close(): Promise<void> {}
}

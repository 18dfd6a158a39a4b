import type { Outcome } from "../../src/runtime/app.ts";
import {
  handled,
  RecordingApp as FakeApp,
  refused,
} from "../../src/testkit/binding/recording-app.ts";

export { FakeApp, handled, refused };

/** Answers each delivery when the test says so. */
export class ManualApp extends FakeApp {
  readonly open = new Map<string, (outcome: Outcome) => void>();

  constructor() {
    super(
      (delivery, signal) =>
        new Promise((resolve) => {
          const text = Buffer.from(delivery.data ?? []).toString();
          this.open.set(text, resolve);
          const giveUp = (): void => resolve(refused("cancelled"));
          signal.addEventListener("abort", giveUp, { once: true });
        }),
    );
  }

  /** Answers the delivery with this payload that is out. */
  answer(text: string, outcome: Outcome = handled): void {
    const resolve = this.open.get(text);
    if (resolve === undefined) throw new Error(`${text} is not with the app`);
    this.open.delete(text);
    resolve(outcome);
  }

  /** The payloads that are with the app now. */
  get out(): string[] {
    return [...this.open.keys()];
  }
}

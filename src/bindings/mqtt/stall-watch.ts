import type { Logger } from "../../binding.ts";
import { formatDuration } from "../../metadata/duration.ts";
import type { UnacknowledgedMessages } from "./unacknowledged-messages.ts";

const stallCheck = 30_000;
const stallAfter = 60_000;
const fewestOfStall = 10;

/** Brokers stop at so many unacknowledged messages (Mosquitto: 20) and do not say so: this warns of it. */
export class StallWatch {
  readonly #unsettled: UnacknowledgedMessages;
  readonly #logger: Logger;
  #lastReceived = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(unsettled: UnacknowledgedMessages, logger: Logger) {
    this.#unsettled = unsettled;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = setInterval(() => this.#warn(), stallCheck).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Messages have come. */
  received(): void {
    this.#lastReceived = performance.now();
  }

  #warn(): void {
    const { oldest, size } = this.#unsettled;
    const now = performance.now();
    if (oldest === undefined || size < fewestOfStall || oldest.handled) return;
    if (now - oldest.since < stallAfter || now - this.#lastReceived < stallAfter) return;
    this.#logger.warn(
      {
        messages: size,
        oldest: formatDuration(Math.round(now - oldest.since)),
        topic: oldest.message.topic,
      },
      "no message has come for a while: the broker may be waiting for acknowledgements of those that are unhandled",
    );
  }
}

import type { Duplex } from "node:stream";
import type { ChannelModel } from "amqplib";

/**
 * Lets messages that are handed to the driver in one turn of the event loop go out in one write: the
 * system calls are what a small message costs most. A lone one goes out as early as it would anyhow, for the
 * driver itself writes at the end of the turn.
 */
export class SharedWrites {
  readonly #socket: Duplex | undefined;
  #held = false;
  readonly #release = (): void => {
    this.#held = false;
    this.#socket?.uncork();
  };

  constructor(model: ChannelModel) {
    ({ stream: this.#socket } = model.connection as { stream?: Duplex });
    // Then the driver writes what had to wait for room.
    this.#socket?.prependListener("drain", () => this.begin());
  }

  /** To be called when a message was handed to the driver. */
  begin(): void {
    if (this.#held) return;
    this.#held = true;
    this.#socket?.cork();
    // Two steps, as the driver takes: by now its own second one is to come, and this one right after it.
    process.nextTick(setImmediate, this.#release);
  }
}

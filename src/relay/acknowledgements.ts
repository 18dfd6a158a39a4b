import { BindingError } from "../errors.ts";
import type { RelayLink } from "./link.ts";

const nanoseconds = 1_000_000;

/** What a consumer is told of its messages. Without a connection nothing is: what was handled is remembered elsewhere. */
export class Acknowledgements {
  readonly #link: () => RelayLink | undefined;
  #last: string | undefined;

  constructor(link: () => RelayLink | undefined) {
    this.#link = link;
  }

  handled(replies: readonly string[]): void {
    for (const reply of replies) this.#tell(reply, undefined);
    this.#last = replies.at(-1);
  }

  /** They are to come again, after so many milliseconds. */
  again(replies: readonly string[], after: number): void {
    const delay = Math.round(after * nanoseconds);
    const text = delay > 0 ? `-NAK ${JSON.stringify({ delay })}` : "-NAK";
    for (const reply of replies) this.#tell(reply, text);
  }

  /** Rejects with a `BindingError` where the time was not extended. */
  async extend(replies: readonly string[]): Promise<void> {
    const link = this.#link();
    if (link === undefined) throw new BindingError("unavailable", "the relay is not connected");
    await Promise.all(replies.map((reply) => link.request(reply, "+WPI")));
  }

  /** Resolves once the server has the last one, and with it those before: a consumer works through them in order. */
  async flush(): Promise<void> {
    const [link, last] = [this.#link(), this.#last];
    if (last === undefined || link === undefined) return;
    this.#last = undefined;
    await link.request(last, "+ACK");
  }

  #tell(reply: string, text: string | undefined): void {
    const link = this.#link();
    if (link === undefined || link.ended !== undefined) return;
    try {
      link.publish(reply, text);
    } catch {
      // As without a connection.
    }
  }
}

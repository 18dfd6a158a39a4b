import { BindingError } from "../../../errors.ts";

type Waiting = { take(): void; fail(reason: BindingError): void };

/** How many messages with QoS 1 and 2 the server takes at a time (its Receive Maximum). Others wait in line. */
export class SendQuota {
  readonly #waiting = new Set<Waiting>();
  #left = 0;

  /** The server takes so many. To be called before the first `take`. */
  open(count: number): void {
    this.#left = count;
  }

  /** Resolves when one more may be sent. Rejects, with nothing sent, when the signal aborts before. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#left > 0) {
      this.#left--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) return reject(cancelled());
      const end = (act: () => void) => (): void => {
        this.#waiting.delete(waiting);
        signal.removeEventListener("abort", cancel);
        act();
      };
      const cancel = end(() => reject(cancelled()));
      const waiting: Waiting = {
        take: end(resolve),
        fail: (reason) => end(() => reject(reason))(),
      };
      signal.addEventListener("abort", cancel);
      this.#waiting.add(waiting);
    });
  }

  /** The server is done with one. */
  giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#left++;
    else next.take();
  }

  /** None of those that wait will be sent. */
  fail(reason: BindingError): void {
    for (const waiting of this.#waiting) waiting.fail(reason);
  }
}

function cancelled(): BindingError {
  return new BindingError("cancelled", "the call was cancelled", { effect: "unsent" });
}

import { clock } from "../../clock.ts";
import type { Breaker, Permit } from "../../policy/policy.ts";
import type { Blockage } from "./exhaustion.ts";

/** Lets events through as a component's circuit breaker says, and remembers since when it does not. */
export class BreakerGate {
  readonly #onPass: () => void;
  #closed: (Blockage & { readonly unsubscribe: () => void }) | undefined;

  /** `onPass` is called when it may let through more than before. */
  constructor(onPass: () => void) {
    this.#onPass = onPass;
  }

  /** Why nothing is let through, and since when; `undefined`: something is. */
  get blockage(): Blockage | undefined {
    return this.#closed;
  }

  /** Whether one more may go through now: `undefined` if not. */
  enter(breaker: Breaker): Permit | undefined {
    const pass = breaker.enter();
    if (pass !== undefined) {
      this.close();
      return pass;
    }
    this.#closed ??= {
      reason: `circuit breaker ${breaker.name} is ${breaker.state}: the app gets nothing for a while`,
      since: new Date(clock.now()),
      unsubscribe: breaker.onPass(this.#onPass),
    };
    return undefined;
  }

  /** Asks anew: there may be another breaker, or none. */
  readonly renew = (): void => {
    this.close();
    this.#onPass();
  };

  /** Waits for no breaker any more. */
  close(): void {
    this.#closed?.unsubscribe();
    this.#closed = undefined;
  }
}

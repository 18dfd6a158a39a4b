import { BindingError, type Reason } from "../errors.ts";

export type Refusal = { readonly reason: string; readonly message: string };

type Round = {
  readonly heard: Map<number, Refusal | undefined>;
  readonly done: PromiseWithResolvers<void>;
  readonly timer: NodeJS.Timeout;
};

/** All workers that have a component open a changed one well before any of them switches; else none does. */
export class Agreements {
  readonly #rounds = new Map<string, Round>();
  readonly #takingPart: (component: string) => readonly number[];
  readonly #longest: number;

  /** `longest`: how long workers wait for one another, in milliseconds. */
  constructor(takingPart: (component: string) => readonly number[], longest: number) {
    this.#takingPart = takingPart;
    this.#longest = longest;
  }

  /** What one worker has found. Resolves once all have proved it, rejects with why one has not. */
  hear(component: string, worker: number, refusal: Refusal | undefined): Promise<void> {
    let round = this.#rounds.get(component);
    if (round === undefined) {
      const done = Promise.withResolvers<void>();
      const late = (): void => {
        const text = "another worker did not open it in time";
        this.#end(component, new BindingError("unavailable", text, { effect: "unsent" }));
      };
      round = { heard: new Map(), done, timer: setTimeout(late, this.#longest).unref() };
      this.#rounds.set(component, round);
    }
    round.heard.set(worker, refusal);
    this.#look(component, round);
    return round.done.promise;
  }

  /** A worker has ended: nobody waits for it. */
  left(): void {
    for (const [component, round] of this.#rounds) this.#look(component, round);
  }

  #look(component: string, { heard }: Round): void {
    for (const [worker, refusal] of heard) {
      if (refusal === undefined) continue;
      const { reason, message } = refusal;
      const text = `worker ${worker + 1}: ${message}`;
      return this.#end(component, new BindingError(reason as Reason, text, { effect: "unsent" }));
    }
    if (this.#takingPart(component).every((worker) => heard.has(worker))) this.#end(component);
  }

  #end(component: string, error?: BindingError): void {
    const round = this.#rounds.get(component);
    if (round === undefined) return;
    this.#rounds.delete(component);
    clearTimeout(round.timer);
    if (error === undefined) round.done.resolve();
    else round.done.reject(error);
  }
}

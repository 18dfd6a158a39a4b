import {
  defineBinding,
  type InboundEvent,
  type Reading,
  type Settlement,
} from "../../src/binding.ts";
import { string } from "../../src/metadata/fields.ts";
import type { RelayTimes } from "../../src/relay/stream.ts";

const fields = { host: string({ description: "Where.", required: true }) };

/** Quick ones, that a busy machine can keep. */
export const times: RelayTimes = { pin: 3_000, valid: 2_000, beat: 250, ackWait: 10_000 };

export type SourceFacts = Partial<InboundEvent> & { readonly text?: string };

/** A source in the test: what is not settled as handled goes to the next who reads. */
export class TestSource {
  readonly waiting: SourceFacts[] = [];
  readonly settlements: { readonly text: string; readonly settlement: Settlement }[] = [];
  /** How often it was read. */
  readings = 0;
  #reading: Reading<typeof fields> | undefined;

  /** Events that are handled no more than these are. */
  get handled(): string[] {
    return this.settlements
      .filter(({ settlement }) => settlement.outcome === "handled")
      .map(({ text }) => text);
  }

  get isRead(): boolean {
    return this.#reading !== undefined;
  }

  send(...events: SourceFacts[]): void {
    this.waiting.push(...events);
    void this.#feed();
  }

  binding() {
    return defineBinding({
      name: "source",
      status: "alpha",
      summary: "A source in the test.",
      metadata: fields,
      open: () => ({ async [Symbol.asyncDispose]() {} }),
      read: (_connection: AsyncDisposable, reading: Reading<typeof fields>) => {
        this.#reading = reading;
        this.readings++;
        void this.#feed();
        const end = (): void => {
          if (this.#reading === reading) this.#reading = undefined;
        };
        return { stop: end, flush() {}, close: end };
      },
    });
  }

  /** The pace is that of who reads. */
  async #feed(): Promise<void> {
    const reading = this.#reading;
    if (reading === undefined) return;
    while (this.#reading === reading && this.waiting.length > 0)
      await reading.deliver(this.waiting.splice(0, 100).map((facts) => this.#event(facts)));
  }

  #event(facts: SourceFacts): InboundEvent {
    const { text = "", ...rest } = facts;
    return {
      ...{ data: Buffer.from(text), metadata: {}, headers: [], id: text, ...rest },
      settle: (settlement) => {
        this.settlements.push({ text, settlement });
        if (settlement.outcome === "handled") return;
        this.waiting.unshift(facts);
        setTimeout(() => void this.#feed(), 20);
      },
    };
  }
}

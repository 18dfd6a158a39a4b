import {
  defineBinding,
  type InboundEvent,
  type Reading,
  type Settlement,
} from "../../src/binding.ts";
import { string } from "../../src/metadata/fields.ts";
import { openRelay } from "../../src/relay/relay.ts";
import type { RelayTimes } from "../../src/relay/stream.ts";
import type { Delivery, Outcome } from "../../src/runtime/app.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import type { Store } from "../../src/store/store.ts";
import { endAfterTest } from "../bindings/contract.ts";
import { FakeApp, handled } from "../runtime/fake-app.ts";
import { component } from "../runtime/fake-binding.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { uniqueName } from "../servers/unique-name.ts";
import { FakeFleet } from "./fake-ownership.ts";
import { connectTo } from "./relay-link.ts";

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

export type ReplicaOptions = {
  readonly handle?: (text: string, delivery: Delivery) => Outcome | Promise<Outcome>;
  readonly values?: Record<string, string>;
  readonly store?: Store;
  readonly times?: Partial<RelayTimes>;
  readonly unsafe?: () => string | undefined;
};

/** Replicas of one app id that share a relay. */
export function relayedApp(url: string) {
  const appId = uniqueName("shop");
  const source = new TestSource();
  const fleet = new FakeFleet();
  const running = new Set<string>();
  function start(name: string, options: ReplicaOptions = {}) {
    const { handle = () => handled, values = {}, store } = options;
    const app = new FakeApp((delivery) =>
      handle(Buffer.from(delivery.data ?? "null").toString(), delivery),
    );
    const logger = keepingLogger();
    const relay = openRelay({
      connect: connectTo(url),
      ...{ logger, replicas: 1, times: { ...times, ...options.times } },
      members: () => running.size,
      unsafe: options.unsafe ?? (() => undefined),
    });
    const runtime = createRuntime({
      ...{ appId, bindings: [source.binding()], logger, app, relay, store },
      http: { listen: () => Promise.reject(new Error("nothing is served")) },
      fleet: fleet.of(name),
    });
    running.add(name);
    void runtime.apply([component("source", { relay: "true", direction: "input", ...values })]);
    const close = async (): Promise<void> => {
      running.delete(name);
      await runtime.close();
      await relay[Symbol.asyncDispose]();
    };
    endAfterTest(close);
    const status = () => {
      const [one] = runtime.components();
      if (one === undefined) throw new Error("there is no component");
      return one;
    };
    return { app, runtime, logger, status, close };
  }
  return { appId, source, fleet, running, start };
}

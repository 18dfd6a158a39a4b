import { BindingError } from "../../src/errors.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  ImportOutcome,
  StoredDeadLetter,
} from "../../src/store/records.ts";
import type { DeadLetterStore } from "../../src/store/store.ts";
import { matches } from "../store/memory-store.ts";

/** A dead letter of the input `orders`; numbers that rise give ids that rise. */
export function sampleDeadLetter(number: number, changes: Partial<DeadLetter> = {}): DeadLetter {
  return {
    id: `01900000-0000-7000-8000-${String(number).padStart(12, "0")}`,
    component: "orders",
    type: "bindings.kafka",
    cause: "exhausted",
    reason: "the app answered 500: no such customer",
    event: {
      data: Buffer.from(`order ${number}`),
      headers: [{ name: "trace", value: Buffer.from([0xff, 0x00]) }],
      metadata: { topic: "orders", partition: "0" },
      key: Buffer.from("customer 1"),
      id: `orders/0/${number}`,
    },
    identity: `orders/0/${number}`,
    attempts: [
      { at: 1_790_000_000_000, took: 12, outcome: "refused", answer: "HTTP 500: no such customer" },
      { at: 1_790_000_001_000, took: 8, outcome: "refused", answer: "HTTP 500: no such customer" },
    ],
    failed: 2,
    receivedAt: 1_790_000_000_000,
    storedAt: 1_790_000_002_000 + number,
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    redrives: 0,
    edited: false,
    ...changes,
  };
}

/** A store of dead letters in memory, each of whose methods a test can have fail. */
export class FakeDeadLetterStore implements DeadLetterStore {
  readonly deadLetters = new Map<string, DeadLetter>();
  readonly fingerprints = new Map<string, string>();
  /** None that was stored before this time is imported, in milliseconds since 1970. */
  keepsFrom = 0;
  /** No more than so many are imported. */
  room = Number.POSITIVE_INFINITY;
  /** Methods that reject, with this text. */
  readonly failing = new Map<keyof DeadLetterStore, string>();

  constructor(...deadLetters: DeadLetter[]) {
    for (const one of deadLetters) this.deadLetters.set(one.id, one);
  }

  async put(deadLetter: DeadLetter): Promise<string> {
    this.#fail("put");
    this.deadLetters.set(deadLetter.id, deadLetter);
    return deadLetter.id;
  }

  async import({ fingerprint, ...deadLetter }: StoredDeadLetter): Promise<ImportOutcome> {
    this.#fail("import");
    if (this.deadLetters.has(deadLetter.id)) return "present";
    if (deadLetter.storedAt < this.keepsFrom) return "expired";
    if (this.deadLetters.size >= this.room) return "full";
    this.deadLetters.set(deadLetter.id, deadLetter);
    this.fingerprints.set(deadLetter.id, fingerprint);
    return "imported";
  }

  async get(id: string) {
    this.#fail("get");
    const deadLetter = this.deadLetters.get(id);
    return deadLetter && this.#stored(deadLetter);
  }

  async list(
    filter: DeadLetterFilter,
    { limit, after, maxData }: { limit: number; after?: string | undefined; maxData?: number },
  ) {
    this.#fail("list");
    return [...this.deadLetters.values()]
      .filter((one) => matches(one, filter) && (after === undefined || one.id > after))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
      .map((one) => {
        const { data } = one.event;
        const size = data?.length ?? 0;
        const kept = maxData !== undefined && size > maxData ? undefined : data;
        return { ...this.#stored(one), event: { ...one.event, data: kept }, size };
      });
  }

  #stored(deadLetter: DeadLetter): StoredDeadLetter {
    const fingerprint = this.fingerprints.get(deadLetter.id) ?? `digest of ${deadLetter.identity}`;
    return { ...deadLetter, fingerprint };
  }

  async replace({ ...deadLetter }: DeadLetter & { fingerprint?: string }) {
    this.#fail("replace");
    delete deadLetter.fingerprint;
    if (!this.deadLetters.has(deadLetter.id)) return false;
    this.deadLetters.set(deadLetter.id, deadLetter);
    return true;
  }

  async remove(ids: readonly string[]) {
    this.#fail("remove");
    return ids.filter((id) => this.deadLetters.delete(id)).length;
  }

  async totals() {
    this.#fail("totals");
    return [...Map.groupBy(this.deadLetters.values(), (one) => one.component)].map(
      ([component, deadLetters]) => ({
        component,
        count: deadLetters.length,
        bytes: deadLetters.reduce((sum, { event }) => sum + (event.data?.length ?? 0), 0),
        oldest: Math.min(...deadLetters.map(({ storedAt }) => storedAt)),
      }),
    );
  }

  #fail(method: keyof DeadLetterStore): void {
    const text = this.failing.get(method);
    if (text !== undefined) throw new BindingError("unavailable", text);
  }
}

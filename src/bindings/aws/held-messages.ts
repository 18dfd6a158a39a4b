import type { ReceivedMessage } from "./sqs-queue.ts";

/** A message that was received and is not done with. */
export type Held = {
  readonly id: string;
  /** Of its latest delivery. */
  receipt: string;
  /** When that was, by `performance.now()`: it stays hidden for twelve hours from then at most. */
  receivedAt: number;
  /** It came again while it was held: the runtime renews it no more, so the reader does. */
  isAdopted: boolean;
};

/** What becomes of a delivery: the runtime has not had it, has it, or had it handled. */
export type Verdict =
  | { readonly kind: "new" | "held"; readonly held: Held }
  | { readonly kind: "handled" };

/** More than a queue has out at one time to one reader. */
const mostHandled = 4_096;

/**
 * What this process has received from a queue and the service may not know to be handled. It outlives the connection:
 * what comes again while the runtime has it, or after it was handled, is not handled again.
 */
export class HeldMessages {
  readonly #held = new Map<string, Held>();
  readonly #handled = new Map<string, string>();
  readonly #undeleted = new Set<string>();

  static of(identity: string): HeldMessages {
    const known = byIdentity.get(identity) ?? new HeldMessages();
    byIdentity.set(identity, known);
    return known;
  }

  /** How many the runtime has. */
  get size(): number {
    return this.#held.size;
  }

  /** Those that were handled and are to be deleted still, with their receipts. */
  get undeleted(): { id: string; receipt: string }[] {
    return [...this.#undeleted].map((id) => ({ id, receipt: this.#handled.get(id) ?? "" }));
  }

  get adopted(): Held[] {
    return [...this.#held.values()].filter(({ isAdopted }) => isAdopted);
  }

  /** A new reader begins: what an earlier one had is the service's again. */
  begin(): void {
    this.#held.clear();
  }

  take({ MessageId: id, ReceiptHandle: receipt }: ReceivedMessage): Verdict {
    if (this.#handled.has(id)) {
      this.#handled.set(id, receipt);
      this.#undeleted.add(id);
      return { kind: "handled" };
    }
    const known = this.#held.get(id);
    if (known !== undefined) {
      known.receipt = receipt;
      known.receivedAt = performance.now();
      known.isAdopted = true;
      return { kind: "held", held: known };
    }
    const held = { id, receipt, receivedAt: performance.now(), isAdopted: false };
    this.#held.set(id, held);
    return { kind: "new", held };
  }

  /** False: it is not this reader's any more. */
  handled(held: Held): boolean {
    if (this.#held.get(held.id) !== held) return false;
    this.#held.delete(held.id);
    this.#handled.set(held.id, held.receipt);
    this.#undeleted.add(held.id);
    if (this.#handled.size > mostHandled) {
      for (const id of this.#handled.keys()) {
        if (this.#undeleted.has(id)) continue;
        this.#handled.delete(id);
        break;
      }
    }
    return true;
  }

  /** Likewise for one that is returned. */
  giveBack(held: Held): boolean {
    if (this.#held.get(held.id) !== held) return false;
    return this.#held.delete(held.id);
  }

  /** The service has deleted it by this receipt, or does not know the receipt any more. */
  deleted(id: string, receipt: string): void {
    if (this.#handled.get(id) === receipt) this.#undeleted.delete(id);
  }
}

const byIdentity = new Map<string, HeldMessages>();

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
const mostDeleted = 2_048;

/**
 * What this process has received from a queue and the service may not know to be handled. It outlives the connection:
 * what comes again while the runtime has it, or after it was handled, is not handled again.
 */
export class HeldMessages {
  readonly #held = new Map<string, Held>();
  /** Handled and not known to be deleted, with their latest receipts. */
  readonly #undeleted = new Map<string, string>();
  /** Handled and deleted: they may have been given out once more before that. */
  #deleted = new Set<string>();
  /** Those before them. */
  #deletedBefore = new Set<string>();

  static of(identity: string): HeldMessages {
    const known = byIdentity.get(identity) ?? new HeldMessages();
    byIdentity.set(identity, known);
    return known;
  }

  /** How many the runtime has. */
  get size(): number {
    return this.#held.size;
  }

  /** How many were handled and are to be deleted still. */
  get undeleted(): number {
    return this.#undeleted.size;
  }

  /** So many of them at most, with their receipts, without those that are excepted. */
  toDelete(most: number, except: ReadonlySet<string>): { id: string; receipt: string }[] {
    const found: { id: string; receipt: string }[] = [];
    for (const [id, receipt] of this.#undeleted) {
      if (except.has(id)) continue;
      if (found.push({ id, receipt }) === most) break;
    }
    return found;
  }

  get adopted(): Held[] {
    return [...this.#held.values()].filter(({ isAdopted }) => isAdopted);
  }

  /** A new reader begins: what an earlier one had is the service's again. */
  begin(): void {
    this.#held.clear();
  }

  take({ MessageId: id, ReceiptHandle: receipt }: ReceivedMessage): Verdict {
    if (this.#undeleted.has(id) || this.#deleted.has(id) || this.#deletedBefore.has(id)) {
      this.#undeleted.set(id, receipt);
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
    this.#undeleted.set(held.id, held.receipt);
    return true;
  }

  /** Likewise for one that is returned. */
  giveBack(held: Held): boolean {
    if (this.#held.get(held.id) !== held) return false;
    return this.#held.delete(held.id);
  }

  /** The service has deleted it by this receipt, or does not know the receipt any more. */
  deleted(id: string, receipt: string): void {
    if (this.#undeleted.get(id) !== receipt) return;
    this.#undeleted.delete(id);
    this.#deleted.add(id);
    if (this.#deleted.size < mostDeleted) return;
    this.#deletedBefore = this.#deleted;
    this.#deleted = new Set();
  }
}

const byIdentity = new Map<string, HeldMessages>();

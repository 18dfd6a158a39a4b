/** A transaction of which events were delivered. */
export type Transaction = {
  /** Behind its commit; `undefined`: it has not come whole. */
  endLsn: bigint | undefined;
  /** Events that are not handled. */
  open: number;
};

/** Up to where all transactions were handled, in the order in which they come. */
export class HandledTransactions {
  readonly #changed: () => void;
  #transactions: Transaction[] = [];
  #first = 0;
  #confirmed = 0n;
  #received = 0n;
  #open = 0;
  #waiting: (() => void)[] = [];

  /** `changed`: there may be more to confirm. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Before here the server need not keep anything; 0: not known yet. */
  get confirmed(): bigint {
    return this.#confirmed;
  }

  /** Up to here the server has sent all that is to be sent. */
  get received(): bigint {
    return this.#received;
  }

  begin(): Transaction {
    const transaction = { endLsn: undefined, open: 0 };
    this.#transactions.push(transaction);
    return transaction;
  }

  /** One more event of the transaction is out. */
  deliver(transaction: Transaction): void {
    transaction.open++;
    this.#open++;
  }

  handle(transaction: Transaction): void {
    transaction.open--;
    this.#open--;
    if (transaction.open === 0) this.#advance();
    if (this.#open === 0) this.wake();
  }

  commit(transaction: Transaction, endLsn: bigint): void {
    transaction.endLsn = endLsn;
    this.passed(endLsn);
  }

  /** The server has come to here in its log, and had nothing more to send. */
  passed(lsn: bigint): void {
    if (lsn > this.#received) this.#received = lsn;
    this.#advance();
  }

  /** Resolves once every event that was delivered is handled, or at {@link wake}. */
  async allHandled(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Lets go those who wait. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #advance(): void {
    const before = this.#confirmed;
    for (;;) {
      const transaction = this.#transactions[this.#first];
      if (transaction?.endLsn === undefined || transaction.open > 0) break;
      this.#confirmed = transaction.endLsn;
      this.#first++;
    }
    if (this.#first === this.#transactions.length) {
      this.#transactions = [];
      this.#first = 0;
      // Nothing that was sent is open.
      if (this.#received > this.#confirmed) this.#confirmed = this.#received;
    } else if (this.#first > 1_000) {
      this.#transactions.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.#confirmed > before) this.#changed();
  }
}

import type { Logger } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { TickRecords } from "../../tick-records.ts";

/** Times are milliseconds since 1970. */
type Ledger = {
  /** All that was due up to here was begun, or is not made up for. */
  upTo: number;
  /** Begun, and not settled as far as is known. */
  open: number[];
};

/** Which ticks were begun: written down before they are dispatched, and again once they are settled. */
export class TickLedger {
  readonly #records: TickRecords;
  readonly #fingerprint: string;
  readonly #logger: Logger;
  readonly #ledger: Ledger;
  /** What a process before this one has begun, and perhaps not settled, the oldest first. */
  readonly again: readonly number[];
  /** Whether there was a record. */
  readonly isContinued: boolean;
  #writing: Promise<void> = Promise.resolve();
  #isDirty = false;

  private constructor(
    records: TickRecords,
    fingerprint: string,
    ledger: Ledger | undefined,
    options: { readonly now: number; readonly logger: Logger },
  ) {
    this.#records = records;
    this.#fingerprint = fingerprint;
    this.#logger = options.logger;
    // Times of ticks are those of a `Date`.
    this.#ledger = ledger ?? { upTo: Math.floor(options.now), open: [] };
    this.again = this.#ledger.open.toSorted((one, other) => one - other);
    this.isContinued = ledger !== undefined;
  }

  /** Reads what was kept, and where that is nothing, writes down that ticks count from now on. Rejects with a `BindingError`. */
  static async open(
    records: TickRecords,
    fingerprint: string,
    options: { readonly now: number; readonly logger: Logger },
  ): Promise<TickLedger> {
    const text = await records.load(fingerprint);
    const ledger = new TickLedger(records, fingerprint, read(text), options);
    if (!ledger.isContinued) await ledger.#write();
    return ledger;
  }

  get upTo(): number {
    return this.#ledger.upTo;
  }

  /** Resolves once it is written down that this tick is begun. Rejects with a `BindingError` where it is not. */
  async begin(due: number): Promise<void> {
    const { open, upTo } = this.#ledger;
    if (!open.includes(due)) open.push(due);
    this.#ledger.upTo = Math.max(upTo, due);
    await this.#write();
  }

  /** It is settled: whatever becomes of this process, it does not come again once that is written. */
  done(due: number): void {
    this.#ledger.open = this.#ledger.open.filter((one) => one !== due);
    void this.#writeSoon();
  }

  /** It was due, and is not begun: nobody makes up for it. */
  skip(due: number): void {
    this.#ledger.upTo = Math.max(this.#ledger.upTo, due);
    void this.#writeSoon();
  }

  /** Resolves once all is written, as far as that can be. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#isDirty) await this.#writeSoon();
  }

  async #writeSoon(): Promise<void> {
    try {
      await this.#write();
    } catch (error) {
      // Another replica has read it by now, and delivers again what is open.
      if (error instanceof BindingError && error.reason === "aborted") return;
      const text = "a tick that is settled cannot be written down; it may come again";
      this.#logger.warn({ reason: messageOf(error) }, text);
    }
  }

  /** One write at a time, of what is so by then. */
  #write(): Promise<void> {
    this.#isDirty = true;
    const writing = this.#writing.then(async () => {
      if (!this.#isDirty) return;
      this.#isDirty = false;
      try {
        await this.#records.put(this.#fingerprint, JSON.stringify(this.#ledger));
      } catch (error) {
        this.#isDirty = true;
        throw error;
      }
    });
    this.#writing = writing.catch(() => undefined);
    return writing;
  }
}

function read(text: string | undefined): Ledger | undefined {
  if (text === undefined) return undefined;
  const { upTo, open } = JSON.parse(text) as Ledger;
  return { upTo, open };
}

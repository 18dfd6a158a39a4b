import type { Checkpoint } from "../../../binding.ts";

/** A batch as it is kept: the cursor behind it, and how many of its logs are handled, from the first. */
type KeptBatch = { readonly end: string; readonly passed: number };

type Kept = {
  /** The group's checkpoint that it goes with. */
  readonly at: string;
  /** What was read behind that. */
  readonly batches: readonly KeptBatch[];
};

type ReadBatch = { readonly end: string; readonly handled: boolean[]; passed: number };

/** Logs that were read, and how many of the first are handled already. */
export type Taken = { readonly skipped: number; readonly handled: (index: number) => void };

/**
 * How far a shard was handled within batches that are not handled whole, which the service's checkpoint cannot say. It is kept
 * in the runtime's store, so that logs that are read anew come in the same batches, by the same ids, without what was handled.
 */
export class ShardPosition {
  readonly #checkpoint: Checkpoint;
  /** What the service has stored. */
  #stored: string;
  /** Read behind that, and to be read again as they were. */
  #again: KeptBatch[];
  /** Read behind that by this process, in their order. */
  #read: ReadBatch[] = [];
  #soon: NodeJS.Immediate | undefined;

  /** `stored`: the group's checkpoint. Where another member was there since, what is kept is not used. */
  constructor(checkpoint: Checkpoint, stored: string) {
    this.#checkpoint = checkpoint;
    this.#stored = stored;
    this.#again = batchesBehind(stored, checkpoint.position);
  }

  /** All before this cursor is handled. */
  get handled(): string {
    const open = this.#read.findIndex((one) => one.passed < one.handled.length);
    const last = open === -1 ? this.#read.length : open;
    return this.#read[last - 1]?.end ?? this.#stored;
  }

  /** Where the next batch is to end; `undefined`: it was not read before. */
  get nextEnd(): string | undefined {
    return this.#again[0]?.end;
  }

  /** Whether all that was read is handled. */
  get isIdle(): boolean {
    return this.#read.every((one) => one.passed === one.handled.length);
  }

  get stored(): string {
    return this.#stored;
  }

  /** The service has stored this cursor. */
  storedAt(cursor: string): void {
    const at = this.#read.findIndex(({ end }) => end === cursor);
    this.#read.splice(0, at + 1);
    this.#stored = cursor;
    this.#keepSoon();
  }

  /** A batch was read up to there. Resolves once that is kept, or cannot be: then the ids may change. */
  async take(end: string, logs: number): Promise<Taken> {
    const before = this.#again.shift();
    const isSame = before?.end === end;
    if (!isSame) this.#again = [];
    const skipped = isSame ? Math.min(before.passed, logs) : 0;
    const handled = Array.from({ length: logs }, (_, index) => index < skipped);
    const read: ReadBatch = { end, handled, passed: skipped };
    this.#read.push(read);
    if (logs > skipped) await this.flush().catch(() => undefined);
    return {
      skipped,
      handled: (index) => {
        handled[index] = true;
        while (handled[read.passed] === true) read.passed++;
        this.#keepSoon();
      },
    };
  }

  /** Resolves once the store has it. */
  async flush(): Promise<void> {
    this.#keep();
    await this.#checkpoint.flush();
  }

  #keepSoon(): void {
    this.#soon ??= setImmediate(() => this.#keep());
  }

  #keep(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    const read = this.#read.map(({ end, passed }) => ({ end, passed }));
    const kept: Kept = { at: this.#stored, batches: [...read, ...this.#again] };
    this.#checkpoint.advance(JSON.stringify(kept))();
  }
}

function batchesBehind(stored: string, position: string | undefined): KeptBatch[] {
  if (position === undefined) return [];
  const { at, batches } = JSON.parse(position) as Kept;
  if (at === stored) return [...batches];
  const found = batches.findIndex(({ end }) => end === stored);
  return found === -1 ? [] : batches.slice(found + 1);
}

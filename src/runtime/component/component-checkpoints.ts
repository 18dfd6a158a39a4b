import type { Checkpoint, Checkpoints, Logger } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import type { CheckpointStore } from "../../store/store.ts";

/** A write that failed is tried again after this long, in milliseconds. */
const writePause = 1_000;

/** How far the source of one component was handled, in the store. */
export class ComponentCheckpoints implements Checkpoints {
  readonly #store: CheckpointStore | undefined;
  readonly #component: string;
  readonly #logger: Logger;

  /** Without a store they last as long as this does. */
  constructor(store: CheckpointStore | undefined, component: string, logger: Logger) {
    this.#store = store;
    this.#component = component;
    this.#logger = logger;
  }

  async open(partition: string, fingerprint: string): Promise<Checkpoint> {
    const store = this.#store;
    const component = this.#component;
    // A fingerprint may be long. Not imported above: it would cost the start.
    const { createHash } = await import("node:crypto");
    const digest = createHash("sha256").update(fingerprint).digest("base64url");
    const stored = await store?.load(component, partition);
    const isOther = stored !== undefined && stored.fingerprint !== digest;
    if (isOther) {
      const text = "the checkpoint of another source is not used: the component has changed";
      this.#logger.warn({ partition }, text);
    }
    const write = async (position: string): Promise<void> =>
      store?.put(component, partition, { fingerprint: digest, position });
    return new PrefixCheckpoint(isOther ? undefined : stored?.position, write, this.#logger);
  }
}

type Position = { readonly text: string; handled: boolean };

/** Keeps the last position up to which all are handled; one write at a time, of the newest. */
class PrefixCheckpoint implements Checkpoint {
  readonly position: string | undefined;
  readonly #write: (position: string) => Promise<void>;
  readonly #logger: Logger;
  /** Those not handled, and those handled behind them, in the order of the source. */
  #open: Position[] = [];
  /** How many of them, from the first, are done with. */
  #done = 0;
  /** What is to be written; `undefined`: the store has all. */
  #unwritten: string | undefined;
  #writing: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;
  #inTrouble = false;

  constructor(
    position: string | undefined,
    write: (position: string) => Promise<void>,
    logger: Logger,
  ) {
    this.position = position;
    this.#write = write;
    this.#logger = logger;
  }

  advance(text: string): () => void {
    const position: Position = { text, handled: false };
    this.#open.push(position);
    return () => {
      position.handled = true;
      this.#advancePrefix();
    };
  }

  async flush(): Promise<void> {
    while (this.#unwritten !== undefined || this.#writing !== undefined)
      await (this.#writing ?? this.#writeNow());
  }

  #advancePrefix(): void {
    const before = this.#done;
    while (this.#open[this.#done]?.handled === true) this.#done++;
    if (this.#done === before) return;
    this.#unwritten = this.#open[this.#done - 1]?.text;
    if (this.#done > 1_000 || this.#done === this.#open.length) {
      this.#open = this.#open.slice(this.#done);
      this.#done = 0;
    }
    this.#writeSoon();
  }

  #writeSoon(): void {
    if (this.#writing !== undefined || this.#again !== undefined) return;
    this.#writeNow().catch(() => {
      this.#again = setTimeout(() => {
        this.#again = undefined;
        if (this.#unwritten !== undefined) this.#writeSoon();
      }, writePause).unref();
    });
  }

  /** Writes until nothing is left. Rejects when the store cannot; what is left is written later. */
  #writeNow(): Promise<void> {
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#unwritten !== undefined) {
      const position = this.#unwritten;
      try {
        await this.#write(position);
      } catch (error) {
        if (!this.#inTrouble) {
          const text = "a checkpoint cannot be stored; after a restart events are delivered again";
          this.#logger.warn({ reason: messageOf(error) }, text);
        }
        this.#inTrouble = true;
        throw error;
      }
      this.#inTrouble = false;
      if (this.#unwritten === position) this.#unwritten = undefined;
    }
  }
}

import type { Consumer } from "@platformatic/kafka";
import { BindingError, messageOf } from "../../errors.ts";
import type { Logger } from "../../binding.ts";
import type { AssignedPartition } from "./assigned-partition.ts";
import type { Driver } from "./client.ts";
import { commitOffsets } from "./commits.ts";
import type { Commit } from "./commits.ts";

const interval = 1000;
// A broker stores 4096 characters unless told otherwise.
const longestText = 3072;

/** Commits how far a reader's partitions were handled, once a second and when it is asked to. */
export class OffsetCommitter {
  readonly #driver: Driver;
  readonly #consumer: Consumer;
  readonly #logger: Logger;
  readonly #partitions: () => Iterable<AssignedPartition>;
  #timer: NodeJS.Timeout | undefined;
  #committing: Promise<void> = Promise.resolve();
  /** A commit of the timer is under way. */
  #ticking = false;
  #longestText = longestText;

  constructor(
    driver: Driver,
    consumer: Consumer,
    logger: Logger,
    partitions: () => Iterable<AssignedPartition>,
  ) {
    this.#driver = driver;
    this.#consumer = consumer;
    this.#logger = logger;
    this.#partitions = partitions;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tick(), interval);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Commits what has changed. One after another: two commits at once could arrive in the wrong order. */
  commit(): Promise<void> {
    const next = this.#committing.catch(() => {}).then(() => this.#commitNow());
    this.#committing = next;
    return next;
  }

  /** Where nobody answers, one commit waits and not one for each second. */
  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.commit();
    } catch (error) {
      const reason = messageOf(error);
      this.#logger.warn({ reason }, "offsets could not be committed, trying again");
    } finally {
      this.#ticking = false;
    }
  }

  async #commitNow(): Promise<void> {
    const commits = new Map<Commit, AssignedPartition>();
    for (const partition of this.#partitions()) {
      const commit = partition.commit(this.#longestText);
      if (commit.offset !== partition.stored?.offset || commit.text !== partition.stored.text)
        commits.set(commit, partition);
    }
    for (const [commit, partition] of commits) partition.sent = commit;
    const refused = await commitOffsets(this.#driver, this.#consumer, [...commits.keys()]);
    for (const [commit, partition] of commits) {
      const failure = refused.get(commit);
      if (failure === undefined) partition.stored = { offset: commit.offset, text: commit.text };
      else if (failure.code === "OFFSET_METADATA_TOO_LARGE")
        this.#longestText = Math.floor(this.#longestText / 2);
    }
    const [failure] = refused.values();
    if (failure !== undefined)
      throw new BindingError("unavailable", failure.message, { systemCode: failure.code });
  }
}

import type { Logger, Reading } from "../../binding.ts";
import type { TopicPartition } from "./commits.ts";
import type { kafkaFields } from "./fields.ts";
import type { Beginning } from "./beginnings.ts";
import type { Edges } from "./positions.ts";
import { nameOf } from "./positions.ts";

/** How long being put out counts, in milliseconds, and how often within that is worth a word in the state. */
const ofLate = 120_000;
const tooOften = 3;

/** Tells of a reader's topics what the log, the component's state and the metrics should say: what is missing, and what was missed. */
export class ReaderReport {
  readonly #reading: Pick<Reading<typeof kafkaFields>, "logger" | "report" | "missed">;
  readonly #topics: number;
  #missing: readonly string[] = [];
  /** When the group put this member out, of late. */
  #putOut: number[] = [];
  /** What was missed, by what it was missed for. */
  readonly #missed = new Map<string, { records: number; last: string }>();

  constructor(
    reading: Pick<Reading<typeof kafkaFields>, "logger" | "report" | "missed">,
    topics: readonly string[],
  ) {
    this.#reading = reading;
    this.#topics = topics.length;
  }

  /** These topics are not there; none: all are. */
  missing(topics: readonly string[]): void {
    for (const topic of topics) {
      if (!this.#missing.includes(topic))
        this.#logger.warn({ topic }, "there is no such topic; it is read once somebody makes it");
    }
    this.#missing = topics;
    this.#tell();
  }

  /** The group had put this member out, which has joined anew since. */
  putOut(): void {
    this.#logger.warn(
      {},
      "the group had put this member out, and it has joined anew: no heartbeat came within sessionTimeout, or somebody removed it",
    );
    this.#putOut.push(Date.now());
    this.#tell();
  }

  /** Records were deleted before they were read. */
  gap(place: TopicPartition, position: number, edges: Edges): void {
    const lost = edges.start - position;
    this.#logger.warn(
      { ...factsOf(place, position, edges), lost },
      "records were deleted before they were read: their retention is over; reading goes on after the gap",
    );
    this.#miss(
      "retention",
      lost,
      `records were deleted before they were read, last of ${nameOf(place)}`,
    );
  }

  /** The records from `common` on were replaced by others, which are read. */
  replaced({ topic, partition }: TopicPartition, position: number, common: number): void {
    this.#logger.warn(
      { topic, partition, position, common },
      "the log was truncated by a new leader; reading goes on where it parts from what was read",
    );
  }

  /** The log ends before the position, and nobody knows what was replaced. */
  truncated(place: TopicPartition, position: number, edges: Edges): void {
    const truncated = position - edges.end;
    this.#logger.warn(
      { ...factsOf(place, position, edges), truncated },
      "the log ends before the position: it was truncated; reading goes on at its end",
    );
    this.#miss(
      "truncated",
      truncated,
      `offsets were cut off the log's end, last of ${nameOf(place)}`,
    );
  }

  /** Reading of partitions without a commit begins. */
  begun({ topic, kind, partitions, passed, ahead }: Beginning): void {
    const facts = { topic, partitions, records: ahead };
    switch (kind) {
      case "known":
        this.#logger.warn(
          facts,
          "the group's commits are gone, expired or deleted; reading goes on where this runtime was",
        );
        return;
      case "younger":
        this.#logger.info(facts, "new partitions are read from their start");
        return;
      case "start":
        this.#logger.info(
          facts,
          "partitions without a commit of the group are read from their start",
        );
        return;
      case "newest": {
        const level = passed > 0 ? "warn" : "info";
        this.#logger[level](
          { topic, partitions, passed },
          "the group has no commit in this topic, because it is new here or its commits have expired; it begins at the newest record",
        );
        if (passed > 0)
          this.#miss(
            "no commit",
            passed,
            `older records of ${topic} are not read, because the group had no commit in it (initialOffset: oldest reads them)`,
          );
      }
    }
  }

  get #logger(): Logger {
    return this.#reading.logger;
  }

  #miss(why: "retention" | "truncated" | "no commit", records: number, text: string): void {
    this.#reading.missed?.(records, why);
    const before = this.#missed.get(why)?.records ?? 0;
    this.#missed.set(why, { records: before + records, last: text });
    this.#tell();
  }

  #tell(): void {
    const missing = this.#missing.map((topic) => `there is no topic ${topic}`);
    const missed = [...this.#missed.values()].map(({ records, last }) => `${records} ${last}`);
    this.#putOut = this.#putOut.filter((at) => Date.now() - at < ofLate);
    const cut =
      this.#putOut.length < tooOften
        ? []
        : [
            `the group put this member out ${this.#putOut.length} times within ${ofLate / 1000} s: no heartbeat came within sessionTimeout, or somebody removes it`,
          ];
    const isStalled = missing.length > 0 && missing.length === this.#topics;
    this.#reading.report?.([...missing, ...cut, ...missed].join("; "), isStalled);
  }
}

function factsOf({ topic, partition }: TopicPartition, position: number, edges: Edges): object {
  return { topic, partition, position, ...edges };
}

import type { ClusterMetadata } from "@platformatic/kafka";
import type { Logger } from "../../binding.ts";
import type { SeenTopics } from "./seen-topics.ts";

/** What has become of a topic since the last look. */
export type TopicChange = {
  readonly topic: string;
  /** It was deleted and made anew: its offsets mean other records. */
  readonly isAnother: boolean;
  /** Its number of partitions before and now; 0: it is not there. */
  readonly before: number;
  readonly now: number;
};

/** Compares the topics of a reader with what they were at the last look. */
export class TopicWatch {
  readonly #topics: readonly string[];
  readonly #seen: SeenTopics;
  readonly #known = new Map<string, { id: string; partitions: number }>();

  constructor(topics: readonly string[], seen: SeenTopics) {
    this.#topics = topics;
    this.#seen = seen;
  }

  /** The identity of the topic that has this name at the moment. */
  idOf(topic: string): string | undefined {
    return this.#known.get(topic)?.id;
  }

  /** How many partitions it has as far as is known; 0: it is not there. */
  partitionsOf(topic: string): number {
    return this.#known.get(topic)?.partitions ?? 0;
  }

  /** The number of partitions by topic. */
  get partitions(): Record<string, number> {
    return Object.fromEntries(
      [...this.#known].map(([topic, { partitions }]) => [topic, partitions]),
    );
  }

  /** Those that are not there. */
  get missing(): string[] {
    return this.#topics.filter((topic) => this.#known.get(topic)?.partitions === 0);
  }

  /** Gives what has changed since the last look; at the first one nothing has. */
  look(cluster: ClusterMetadata): TopicChange[] {
    return this.#topics.flatMap((topic) => {
      const found = cluster.topics.get(topic);
      if (found === undefined) return [];
      this.#seen.see(topic, found);
      const { id, partitionsCount: now } = found;
      const known = this.#known.get(topic);
      // One that is gone is known by its identity still, when it comes back.
      this.#known.set(topic, { id: now === 0 ? (known?.id ?? "") : id, partitions: now });
      if (known === undefined) return [];
      const { partitions: before } = known;
      const isAnother = now > 0 && known.id !== "" && known.id !== id;
      return isAnother || before !== now ? [{ topic, isAnother, before, now }] : [];
    });
  }
}

/** Says in the log what has become of a topic that is there. */
export function logTopicChange(
  logger: Logger,
  { topic, isAnother, before, now }: TopicChange,
): void {
  const facts = { topic, partitions: now, partitionsBefore: before };
  if (isAnother)
    logger.warn(facts, "the topic was deleted and made anew; it is read from its start");
  else if (before === 0)
    logger.info(
      facts,
      "the topic is there now; it is read where the group is in it, else from its start",
    );
  else if (now > before)
    logger.info(facts, "the topic has more partitions now; the new ones are read from their start");
  else logger.warn(facts, "the topic has fewer partitions now");
}

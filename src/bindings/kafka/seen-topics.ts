import type { TopicPartition } from "./commits.ts";

/** A topic as a cluster describes it; without partitions: it is not there. */
export type SeenTopic = { readonly id: string; readonly partitionsCount: number };

/**
 * What this process has seen of the topics of a group. A partition that came to be while it watched is read from its
 * start, wherever the group began. It outlives the reader, which may lose its connection meanwhile.
 */
export class SeenTopics {
  readonly #topics = new Map<string, { id: string; fewest: number }>();

  /** That of a consumer group at a cluster. */
  static of(brokers: readonly string[], group: string): SeenTopics {
    const identity = JSON.stringify([brokers.toSorted(), group]);
    const known = byIdentity.get(identity) ?? new SeenTopics();
    byIdentity.set(identity, known);
    return known;
  }

  /** Notes the topic as it is now. */
  see(topic: string, { id, partitionsCount }: SeenTopic): void {
    const known = this.#topics.get(topic) ?? { id, fewest: partitionsCount };
    this.#topics.set(topic, known);
    known.fewest = Math.min(known.fewest, partitionsCount);
    if (partitionsCount === 0) return;
    // Made anew: all its partitions are younger than the group's reading.
    if (known.id !== "" && id !== known.id) known.fewest = 0;
    known.id = id;
  }

  /** Whether the partition came to be while this process watched the topic. */
  isYounger({ topic, partition }: TopicPartition): boolean {
    const known = this.#topics.get(topic);
    return known !== undefined && partition >= known.fewest;
  }
}

const byIdentity = new Map<string, SeenTopics>();

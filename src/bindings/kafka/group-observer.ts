import type { Base, Consumer } from "@platformatic/kafka";
import type { LoginAccess } from "./aws-token.ts";
import { clientOptions, describeTopics } from "./client.ts";
import type { Driver } from "./client.ts";
import { committedOffsets } from "./commits.ts";
import { delay } from "../../delay.ts";
import { failureOf, isTransient } from "./failures.ts";
import type { KafkaMetadata } from "./fields.ts";
import { backlogOf } from "./positions.ts";

/** In milliseconds. */
const pauseBetweenTries = 100;

/** Looks at what a consumer group has committed, without being a member of it. */
export class GroupObserver {
  readonly #driver: Driver;
  readonly #metadata: KafkaMetadata;
  readonly #consumer: Consumer;

  constructor(driver: Driver, metadata: KafkaMetadata, access: LoginAccess, groupId: string) {
    this.#driver = driver;
    this.#metadata = metadata;
    // It never joins: the group's coordinator is asked as anybody may ask it.
    this.#consumer = new driver.Consumer({ ...clientOptions(metadata, access), groupId });
  }

  /**
   * How many records the group has still to handle in all partitions of the topics. A topic of which nothing is committed
   * begins at its end unless `initialOffset` is `oldest`: 1, if it has any records, until a reader has begun it.
   */
  async backlog(client: Base, names: readonly string[], signal: AbortSignal): Promise<number> {
    for (;;) {
      try {
        return await this.#backlog(client, names);
      } catch (error) {
        // A cluster in which no group was ever asked for makes the place for them first.
        if (!isTransient(failureOf(error)) || signal.aborted) throw error;
        await delay(pauseBetweenTries, signal);
      }
    }
  }

  async #backlog(client: Base, names: readonly string[]): Promise<number> {
    const topics = [...new Set(names)];
    const cluster = await describeTopics(client, topics, true);
    const places = topics.flatMap((topic) =>
      Array.from({ length: cluster.topics.get(topic)?.partitionsCount ?? 0 }, (_, partition) => ({
        ...{ topic, partition },
      })),
    );
    if (places.length === 0) return 0;
    const committed = await committedOffsets(this.#driver, this.#consumer, places);
    const isBegun = (topic: string): boolean =>
      this.#metadata.initialOffset === "oldest" ||
      committed.some((one) => one.topic === topic && one.offset >= 0);
    let waiting = 0;
    for (const topic of topics) {
      // A partition without a commit, of a topic that has some, is read from its start.
      const own = places.filter((place) => place.topic === topic);
      const all = own.map((place) => ({ ...place, beginning: 0 }));
      const count = await backlogOf(this.#driver, this.#consumer, all);
      waiting += isBegun(topic) ? count : Math.min(count, 1);
    }
    return waiting;
  }

  async close(): Promise<void> {
    await this.#consumer.close(true).catch(() => {});
  }
}

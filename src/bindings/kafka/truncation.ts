import type { ClusterMetadata, Consumer } from "@platformatic/kafka";
import type { AssignedPartition } from "./assigned-partition.ts";
import { connectionTo, describeTopics, requestOf } from "./client.ts";
import type { Driver } from "./client.ts";
import { edgesOf, nameOf } from "./positions.ts";
import type { Edges } from "./positions.ts";
import type { ReaderReport } from "./reader-report.ts";

type EpochTopic = {
  name: string;
  partitions: { partitionIndex: number; currentLeaderEpoch: number; leaderEpoch: number }[];
};
type EpochAnswer = { topics: { partitions: { endOffset: bigint }[] }[] };

export type LogCheckEvents = {
  /** Read the partition on at another offset. */
  restart(partition: AssignedPartition, offset: number): void;
  /** Looks the topics up again. */
  refresh(): Promise<void>;
};

/**
 * Finds out whether a partition's log is still the one that was read. A leader that did not have all records (an unclean
 * election) gives their offsets to other records, which must be read too.
 */
export class LogCheck {
  readonly #driver: Driver;
  readonly #consumer: Consumer;
  readonly #report: ReaderReport;
  readonly #events: LogCheckEvents;

  constructor(driver: Driver, consumer: Consumer, report: ReaderReport, events: LogCheckEvents) {
    this.#driver = driver;
    this.#consumer = consumer;
    this.#report = report;
    this.#events = events;
  }

  /** Compares the logs of those that have other leaders than at the last look. */
  described(cluster: ClusterMetadata, partitions: Iterable<AssignedPartition>): void {
    for (const partition of partitions) {
      const leaders = cluster.topics.get(partition.topic)?.partitions;
      const epoch = leaders?.[partition.partition]?.leaderEpoch ?? -1;
      if (epoch <= partition.checkedEpoch && !partition.isUnconfirmed) continue;
      partition.checkedEpoch = epoch;
      this.leaderChanged(partition);
    }
  }

  /** Compares the log of a partition that has another leader than when it was last read. */
  leaderChanged(partition: AssignedPartition): void {
    // One that cannot be asked now is asked when it is described again.
    this.#compare(partition).catch(() => (partition.checkedEpoch = -1));
  }

  async #compare(partition: AssignedPartition): Promise<void> {
    const { continuous } = partition;
    const common = await this.#commonEnd(partition);
    if (partition.ended || common === undefined) return;
    if (common >= continuous.position) partition.confirm(continuous);
    else this.#replaced(partition, continuous.position, common);
  }

  /** The partition's position is not in its log. */
  async outOfRange(partition: AssignedPartition): Promise<void> {
    const { position } = partition;
    const edges = (await edgesOf(this.#consumer, [partition])).get(nameOf(partition));
    if (edges === undefined || (position >= edges.start && position <= edges.end)) {
      throw new Error(
        `${nameOf(partition)} has offset ${position}, and its leader does not know it yet`,
      );
    }
    // It may be another topic of this name, whose records were not read.
    await this.#events.refresh();
    if (partition.ended || partition.position !== position) return;
    if (position < edges.start) {
      this.#report.gap(partition, position, edges);
      this.#events.restart(partition, edges.start);
    } else await this.#truncated(partition, position, edges);
  }

  async #truncated(partition: AssignedPartition, position: number, edges: Edges): Promise<void> {
    const common = await this.#commonEnd(partition);
    if (partition.ended) return;
    if (common !== undefined) return this.#replaced(partition, position, common);
    this.#report.truncated(partition, position, edges);
    this.#events.restart(partition, edges.end);
  }

  /** Reads the records that took the place of others; those below that are not handled come once more. */
  #replaced(partition: AssignedPartition, position: number, common: number): void {
    this.#report.replaced(partition, position, common);
    this.#events.restart(partition, Math.min(common, partition.known.offset));
    partition.withdraw();
  }

  /** Where the leader's log parts from what was read; `undefined`: that cannot be known. */
  async #commonEnd({
    topic,
    partition,
    continuous: { epoch },
  }: AssignedPartition): Promise<number | undefined> {
    if (epoch < 0) return undefined;
    const cluster = await describeTopics(this.#consumer, [topic], false);
    const leader = cluster.topics.get(topic)?.partitions[partition]?.leader ?? -1;
    const connection = await connectionTo(this.#driver, this.#consumer, cluster, leader);
    const request = await requestOf<[replica: number, topics: EpochTopic[]], EpochAnswer>(
      this.#driver,
      this.#consumer,
      "OffsetForLeaderEpoch",
    );
    const asked = { partitionIndex: partition, currentLeaderEpoch: -1, leaderEpoch: epoch };
    const answer = await request.async(connection, -1, [{ name: topic, partitions: [asked] }]);
    const end = Number(answer.topics[0]?.partitions[0]?.endOffset ?? -1n);
    return end < 0 ? undefined : end;
  }
}

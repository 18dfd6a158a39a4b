import type { Consumer } from "@platformatic/kafka";
import { connectionTo, describeTopics, requestOf } from "./client.ts";
import type { Driver } from "./client.ts";
import { failureOfCode } from "./failures.ts";
import type { Failure } from "./failures.ts";

export type TopicPartition = { readonly topic: string; readonly partition: number };

/**
 * What a group has committed for a partition; `offset` -1: nothing. `epoch`: a number of the leader whose records were
 * read; -1: not known.
 */
export type Committed = TopicPartition & {
  readonly offset: number;
  readonly text: string | null;
  readonly epoch: number;
};

/** What to commit for a partition: the next offset to read, a text to keep beside it, and the leader's epoch. */
export type Commit = TopicPartition & {
  readonly offset: number;
  readonly text: string;
  readonly epoch: number;
};

type CommitTopic = {
  name: string;
  partitions: {
    partitionIndex: number;
    committedOffset: bigint;
    committedLeaderEpoch: number;
    committedMetadata: string;
  }[];
};
type CommitAnswer = {
  topics: { name: string; partitions: { partitionIndex: number; errorCode: number }[] }[];
};
type FetchTopics = {
  name: string;
  partitions: {
    partitionIndex: number;
    committedOffset: bigint;
    metadata: string | null;
    // From Kafka 2.1 on.
    committedLeaderEpoch?: number;
  }[];
}[];
// Before Kafka 3.0 a coordinator is asked for one group, and answers without its name.
type FetchAnswer = { groups: { topics: FetchTopics }[]; topics?: FetchTopics };

/**
 * Commits, as the member that the consumer is at this moment, and returns what was refused. Rejects
 * when the coordinator could not be asked. The driver's own commit has no text beside the offset.
 */
export async function commitOffsets(
  driver: Driver,
  consumer: Consumer,
  commits: readonly Commit[],
): Promise<Map<Commit, Failure>> {
  const { generationId, memberId } = consumer;
  const refused = new Map<Commit, Failure>();
  if (commits.length === 0) return refused;
  const request = await requestOf<
    [
      group: string,
      generation: number,
      member: string,
      instance: string | null,
      topics: CommitTopic[],
    ],
    CommitAnswer
  >(driver, consumer, "OffsetCommit");
  const connection = await coordinatorOf(driver, consumer);
  let answer: CommitAnswer;
  try {
    answer = await request.async(
      connection,
      consumer.groupId,
      generationId,
      memberId ?? "",
      null,
      byTopic(commits),
    );
  } catch (error) {
    if (!(error instanceof driver.ResponseError)) throw error;
    answer = error["response"] as CommitAnswer;
  }
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, errorCode } of partitions) {
      if (errorCode === 0) continue;
      const commit = commits.find(
        ({ topic, partition }) => topic === name && partition === partitionIndex,
      );
      if (commit !== undefined) refused.set(commit, failureOfCode(driver, errorCode));
    }
  }
  return refused;
}

/** What the group has committed. */
export async function committedOffsets(
  driver: Driver,
  consumer: Consumer,
  partitions: readonly TopicPartition[],
): Promise<Committed[]> {
  const connection = await coordinatorOf(driver, consumer);
  const topics = Object.entries(Object.groupBy(partitions, ({ topic }) => topic)).map(
    ([name, list = []]) => ({
      name,
      partitionIndexes: list.map(({ partition }) => partition),
    }),
  );
  const request = await requestOf<
    [
      groups: { groupId: string; memberId: null; memberEpoch: number; topics: typeof topics }[],
      stable: boolean,
    ],
    FetchAnswer
  >(driver, consumer, "OffsetFetch");
  const answer = await request.async(
    connection,
    [{ groupId: consumer.groupId, memberId: null, memberEpoch: -1, topics }],
    false,
  );
  const found = answer.topics ?? answer.groups.flatMap((group) => group.topics);
  return found.flatMap(({ name, partitions: list }) =>
    list.map(({ partitionIndex, committedOffset, metadata, committedLeaderEpoch = -1 }) => ({
      topic: name,
      partition: partitionIndex,
      offset: Number(committedOffset),
      text: metadata,
      epoch: committedLeaderEpoch,
    })),
  );
}

async function coordinatorOf(driver: Driver, consumer: Consumer): ReturnType<typeof connectionTo> {
  const node = await consumer.findGroupCoordinator();
  const cluster = await describeTopics(consumer, [], false);
  return connectionTo(driver, consumer, cluster, node);
}

function byTopic(commits: readonly Commit[]): CommitTopic[] {
  return Object.entries(Object.groupBy(commits, ({ topic }) => topic)).map(([name, list = []]) => ({
    name,
    partitions: list.map(({ partition, offset, text, epoch }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: epoch,
      committedMetadata: text,
    })),
  }));
}

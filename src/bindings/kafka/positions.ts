import type { Consumer } from "@platformatic/kafka";
import type { Driver } from "./client.ts";
import { commitOffsets, committedOffsets } from "./commits.ts";
import type { Commit, Committed, TopicPartition } from "./commits.ts";
import { decodeHandledRanges } from "./handled-ranges.ts";

const timestamps = { start: -2n, end: -1n } as const;

/** The first offset that a partition still has, or the one that its next record will have. */
export async function edgeOf(
  consumer: Consumer,
  { topic, partition }: TopicPartition,
  edge: "start" | "end",
): Promise<number> {
  const offsets = await consumer.listOffsets({
    topics: [topic],
    partitions: { [topic]: [partition] },
    timestamp: timestamps[edge],
  });
  const offset = offsets.get(topic)?.[partition];
  if (offset === undefined) throw new Error(`${topic}[${partition}] has no ${edge}`);
  return Number(offset);
}

/**
 * Where reading of partitions begins: where the group is, or for one without a commit at an edge of the log, which
 * is committed where it is the end. A `text` of `null`: nothing is committed. `rests`: whether one that has nothing
 * committed need not be resolved.
 */
export async function firstPositions(
  driver: Driver,
  consumer: Consumer,
  places: readonly TopicPartition[],
  options: { initial: "newest" | "oldest"; rests: (found: Committed) => boolean },
): Promise<Committed[]> {
  const committed = await committedOffsets(driver, consumer, places);
  const newest = options.initial === "newest";
  const result: Committed[] = [];
  const resolved: Commit[] = [];
  for (const { topic, partition } of places) {
    const stored = committed.find((one) => one.topic === topic && one.partition === partition);
    const found = { topic, partition, offset: stored?.offset ?? -1, text: stored?.text ?? "" };
    if (found.offset >= 0 || options.rests(found)) {
      result.push(found);
      continue;
    }
    const offset = await edgeOf(consumer, found, newest ? "end" : "start");
    if (newest) resolved.push({ ...found, offset });
    result.push({ ...found, offset, text: newest ? "" : null });
  }
  // Else a rebalance before the first commit would resolve "newest" once more, past what came meanwhile.
  const [failure] = (await commitOffsets(driver, consumer, resolved)).values();
  if (failure !== undefined) throw new Error(failure.message);
  return result;
}

/** How many records a group has still to handle in the partitions. */
export async function backlogOf(
  driver: Driver,
  consumer: Consumer,
  all: readonly TopicPartition[],
  initial: "newest" | "oldest",
): Promise<number> {
  if (all.length === 0) return 0;
  const partitions: Record<string, number[]> = {};
  for (const { topic, partition } of all) (partitions[topic] ??= []).push(partition);
  const asked = { topics: Object.keys(partitions), partitions };
  const ends = await consumer.listOffsets({ ...asked, timestamp: timestamps.end });
  const starts = await consumer.listOffsets({ ...asked, timestamp: timestamps.start });
  let waiting = 0;
  for (const { topic, partition, offset, text } of await committedOffsets(driver, consumer, all)) {
    const end = Number(ends.get(topic)?.[partition] ?? 0n);
    const start = Number(starts.get(topic)?.[partition] ?? 0n);
    const unread = initial === "oldest" ? start : end;
    const handled = decodeHandledRanges(offset, text).reduce(
      (sum, { first, last }) => sum + last - first + 1,
      0,
    );
    waiting += Math.max(0, end - Math.max(start, offset < 0 ? unread : offset) - handled);
  }
  return waiting;
}

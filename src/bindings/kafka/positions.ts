import type { Consumer } from "@platformatic/kafka";
import type { Driver } from "./client.ts";
import { committedOffsets } from "./commits.ts";
import type { TopicPartition } from "./commits.ts";
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

import type { Consumer } from "@platformatic/kafka";
import type { Driver } from "./client.ts";
import { committedOffsets } from "./commits.ts";
import type { TopicPartition } from "./commits.ts";
import { decodeHandledRanges } from "../../handled-ranges.ts";

const timestamps = { start: -2n, end: -1n } as const;

/** The offsets of the first record that a partition still has, and of its next one. */
export type Edges = { readonly start: number; readonly end: number };

/** By {@link nameOf}. Rejects when one of the partitions is not there, or has no leader. */
export async function edgesOf(
  consumer: Consumer,
  places: readonly TopicPartition[],
): Promise<Map<string, Edges>> {
  const partitions: Record<string, number[]> = {};
  for (const { topic, partition } of places) (partitions[topic] ??= []).push(partition);
  if (places.length === 0) return new Map();
  const asked = { topics: Object.keys(partitions), partitions };
  const ends = await consumer.listOffsets({ ...asked, timestamp: timestamps.end });
  const starts = await consumer.listOffsets({ ...asked, timestamp: timestamps.start });
  return new Map(
    places.map((place) => {
      const start = starts.get(place.topic)?.[place.partition];
      const end = ends.get(place.topic)?.[place.partition];
      if (start === undefined || end === undefined)
        throw new Error(`no broker told where ${nameOf(place)} begins and ends`);
      return [nameOf(place), { start: Number(start), end: Number(end) }];
    }),
  );
}

/** How many records a group has still to handle in partitions; of one without a commit from its `beginning` on. */
export async function backlogOf(
  driver: Driver,
  consumer: Consumer,
  all: readonly (TopicPartition & { readonly beginning: number })[],
): Promise<number> {
  if (all.length === 0) return 0;
  const edges = await edgesOf(consumer, all);
  const beginnings = new Map(all.map((one) => [nameOf(one), one.beginning]));
  let waiting = 0;
  for (const committed of await committedOffsets(driver, consumer, all)) {
    const { start = 0, end = 0 } = edges.get(nameOf(committed)) ?? {};
    const { offset, text } = committed;
    const next = offset < 0 ? (beginnings.get(nameOf(committed)) ?? start) : offset;
    const handled = decodeHandledRanges(offset, text).reduce(
      (sum, { first, last }) => sum + last - first + 1,
      0,
    );
    waiting += Math.max(0, end - Math.max(start, next) - handled);
  }
  return waiting;
}

/** A partition as logs and errors name it. */
export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`;
}

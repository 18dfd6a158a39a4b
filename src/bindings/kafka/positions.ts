import type { Consumer } from "@platformatic/kafka";
import type { Driver } from "./client.ts";
import { commitOffsets, committedOffsets } from "./commits.ts";
import type { Committed, TopicPartition } from "./commits.ts";
import { decodeHandledRanges } from "./handled-ranges.ts";

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
      if (start === undefined || end === undefined) throw new Error(`${nameOf(place)} has no log`);
      return [nameOf(place), { start: Number(start), end: Number(end) }];
    }),
  );
}

/**
 * Where reading begins without a commit. `known`: where this process was; `younger`: at the start of what came to be
 * while it watched; `start`: of a partition where the group has commits for others; `newest`: the group begins.
 */
export type Begun = {
  readonly topic: string;
  readonly at: "known" | "younger" | "start" | "newest";
  readonly partitions: readonly number[];
  /** Records between the start of the partitions and where reading begins. */
  readonly passed: number;
  /** Records from there to the end. */
  readonly ahead: number;
};

export type BeginningOptions = {
  readonly initial: "newest" | "oldest";
  /** How many partitions the topic has as far as is known. */
  readonly partitionsOf: (topic: string) => number;
  /** Whether the partition came to be while this process watched the topic. */
  readonly isYounger: (place: TopicPartition) => boolean;
  /** Where this process was in a partition; `undefined`: never there. */
  readonly known: (place: TopicPartition) => number | undefined;
  /** Whether one that has nothing committed need not be resolved. */
  readonly rests: (found: Committed) => boolean;
  /** Begin a topic though another member has its first partition. */
  readonly alone: boolean;
  readonly begun: (beginning: Begun) => void;
};

/**
 * Where reading of partitions begins: where the group is; for one without a commit as {@link Begun} says, which is
 * committed at once unless `initial` is `oldest`. A `text` of `null`: nothing is committed.
 *
 * A topic in which the group begins is begun as a whole by the member that has its first partition: else one who comes
 * a moment later would take that for an old group's topic with new partitions. Who has others of its partitions finds
 * no place for them until then.
 */
export async function firstPositions(
  driver: Driver,
  consumer: Consumer,
  places: readonly TopicPartition[],
  options: BeginningOptions,
): Promise<Committed[]> {
  const topics = Object.groupBy(places, ({ topic }) => topic);
  const whole = Object.entries(topics).flatMap(([topic, own = []]) => {
    const count = Math.max(
      options.partitionsOf(topic),
      ...own.map(({ partition }) => partition + 1),
    );
    return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
  });
  const committed = await committedOffsets(driver, consumer, whole);
  const result: Committed[] = [];
  const begun: Committed[] = [];
  for (const [topic, own = []] of Object.entries(topics)) {
    const mine = new Set(own.map(({ partition }) => partition));
    const isMine = ({ partition }: Committed): boolean => mine.has(partition);
    const all = committed.filter((one) => one.topic === topic);
    const isKnown = (one: Committed): boolean => one.offset >= 0 || options.rests(one);
    result.push(...all.filter((one) => isMine(one) && isKnown(one)));
    if (all.every((one) => !isMine(one) || isKnown(one))) continue;
    const beginnings = await beginningsOf(consumer, all, isMine, options);
    begun.push(...beginnings);
    result.push(...beginnings.filter(isMine));
  }
  if (options.initial === "oldest") return result;
  // Else a rebalance before the first commit would resolve it once more, past what came meanwhile.
  const commits = begun.map(({ topic, partition, offset }) => ({
    topic,
    partition,
    offset,
    text: "",
  }));
  for (const [{ topic, partition }, failure] of await commitOffsets(driver, consumer, commits)) {
    if (places.some((one) => one.topic === topic && one.partition === partition))
      throw new Error(failure.message);
  }
  return result;
}

/** Where those of a topic begin that have no commit: of a topic that the group begins, all of them. */
async function beginningsOf(
  consumer: Consumer,
  all: readonly Committed[],
  isMine: (place: Committed) => boolean,
  { initial, isYounger, known, rests, alone, begun }: BeginningOptions,
): Promise<Committed[]> {
  const open = all.filter((one) => one.offset < 0 && !rests(one));
  const isNewGroup =
    initial === "newest" &&
    all.every((one) => one.offset < 0 && known(one) === undefined && !rests(one));
  if (isNewGroup && !alone && !all.some((one) => isMine(one) && one.partition === 0)) return [];
  const wanted = isNewGroup && !alone ? open : open.filter(isMine);
  const edges = await edgesOf(consumer, wanted);
  const found = wanted.map((place) => {
    const { start = 0, end = 0 } = edges.get(nameOf(place)) ?? {};
    const mark = initial === "newest" ? known(place) : undefined;
    if (mark !== undefined) return { place, at: "known" as const, offset: mark, start, end };
    // Not at the edge of its log: what retention has taken of it since is a gap.
    if (isYounger(place)) return { place, at: "younger" as const, offset: 0, start, end };
    if (isNewGroup) return { place, at: "newest" as const, offset: end, start, end };
    return { place, at: "start" as const, offset: start, start, end };
  });
  for (const [at, list = []] of Object.entries(Object.groupBy(found, (one) => one.at))) {
    begun({
      topic: list[0]?.place.topic ?? "",
      at: at as Begun["at"],
      partitions: list.map(({ place }) => place.partition),
      passed: list.reduce((sum, { offset, start }) => sum + Math.max(0, offset - start), 0),
      ahead: list.reduce((sum, { offset, end }) => sum + Math.max(0, end - offset), 0),
    });
  }
  const text = initial === "newest" ? "" : null;
  return found.map(({ place: { topic, partition }, offset }) => ({
    topic,
    partition,
    offset,
    text,
  }));
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

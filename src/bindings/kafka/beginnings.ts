import type { Consumer } from "@platformatic/kafka";
import type { Driver } from "./client.ts";
import { commitOffsets, committedOffsets } from "./commits.ts";
import type { Committed, TopicPartition } from "./commits.ts";
import { edgesOf, nameOf } from "./positions.ts";
import type { Edges } from "./positions.ts";

/**
 * Where reading begins without a commit. `known`: where this process was; `younger`: at the start of what came to be
 * while it watched; `start`: of a partition where the group has commits for others; `newest`: the group begins.
 */
export type BeginningKind = "known" | "younger" | "start" | "newest";

/** Partitions of a topic whose reading has begun without a commit. */
export type Beginning = {
  readonly topic: string;
  readonly kind: BeginningKind;
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
  /** The ends, by {@link nameOf}, of partitions that wait for the member with the first one, as they were found. */
  readonly waiting: Map<string, number>;
  readonly begun: (beginning: Beginning) => void;
};

/** A partition whose reading begins without a commit. */
type Found = TopicPartition & Edges & { readonly kind: BeginningKind; readonly offset: number };

/**
 * Where reading of partitions begins: where the group is; for one without a commit as {@link BeginningKind} says, which
 * is committed at once unless `initial` is `oldest`. A `text` of `null`: nothing is committed.
 *
 * A topic in which the group begins is begun as a whole by the member that has its first partition: else one who comes
 * a moment later would take that for an old group's topic with new partitions. Who has others of its partitions gets no
 * place for them until then.
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
  const wanted = new Set(places.map(nameOf));
  const isMine = (place: TopicPartition): boolean => wanted.has(nameOf(place));
  const isSettled = (one: Committed): boolean => one.offset >= 0 || options.rests(one);
  const result = committed.filter((one) => isMine(one) && isSettled(one));
  const found: Found[] = [];
  for (const topic of Object.keys(topics)) {
    const all = committed.filter((one) => one.topic === topic);
    if (all.every((one) => !isMine(one) || isSettled(one))) continue;
    found.push(...(await beginningsOf(consumer, all, isMine, options)));
  }
  // Else a rebalance before the first commit would resolve it once more, past what came meanwhile.
  if (options.initial === "newest") await commitAll(driver, consumer, found, isMine);
  for (const one of [...result, ...found]) options.waiting.delete(nameOf(one));
  tell(found, options.begun);
  const text = options.initial === "newest" ? "" : null;
  const begun = found.map(({ topic, partition, offset }) => ({
    topic,
    partition,
    offset,
    text,
    epoch: -1,
  }));
  return [...result, ...begun.filter(isMine)];
}

/** Where those of a topic begin that have no commit: of a topic that the group begins, all of them. */
async function beginningsOf(
  consumer: Consumer,
  all: readonly Committed[],
  isMine: (place: TopicPartition) => boolean,
  { initial, isYounger, known, rests, alone, waiting }: BeginningOptions,
): Promise<Found[]> {
  const open = all.filter((one) => one.offset < 0 && !rests(one));
  const isNew =
    initial === "newest" &&
    all.every((one) => one.offset < 0 && known(one) === undefined && !rests(one));
  const isFirst = all.some((one) => isMine(one) && one.partition === 0);
  const wanted = isNew && isFirst ? open : open.filter(isMine);
  const edges = await edgesOf(consumer, wanted);
  const found = wanted.map(({ topic, partition }): Found => {
    const place = { topic, partition };
    const { start = 0, end = 0 } = edges.get(nameOf(place)) ?? {};
    const at = (kind: BeginningKind, offset: number): Found => ({
      ...{ topic, partition, start, end, kind, offset },
    });
    const mark = initial === "newest" ? known(place) : undefined;
    if (mark !== undefined) return at("known", mark);
    // Not at the edge of its log: what retention has taken of it since is a gap.
    if (isYounger(place)) return at("younger", 0);
    // The group was new when this member came, whatever has been committed since.
    const ended = waiting.get(nameOf(place));
    if (ended !== undefined || isNew) return at("newest", ended ?? end);
    return at("start", start);
  });
  if (!isNew || isFirst || alone) return found;
  for (const one of found) if (one.kind === "newest") waiting.set(nameOf(one), one.offset);
  return [];
}

async function commitAll(
  driver: Driver,
  consumer: Consumer,
  found: readonly Found[],
  isMine: (place: TopicPartition) => boolean,
): Promise<void> {
  const commits = found.map(({ topic, partition, offset }) => ({
    ...{ topic, partition, offset, text: "", epoch: -1 },
  }));
  const refused = await commitOffsets(driver, consumer, commits);
  for (const [commit, failure] of refused) if (isMine(commit)) throw new Error(failure.message);
}

function tell(found: readonly Found[], begun: (beginning: Beginning) => void): void {
  const groups = Object.groupBy(found, ({ topic, kind }) => JSON.stringify([topic, kind]));
  for (const list of Object.values(groups)) {
    const [first] = list ?? [];
    if (list === undefined || first === undefined) continue;
    begun({
      topic: first.topic,
      kind: first.kind,
      partitions: list.map(({ partition }) => partition),
      passed: list.reduce((sum, { offset, start }) => sum + Math.max(0, offset - start), 0),
      ahead: list.reduce((sum, { offset, end }) => sum + Math.max(0, end - offset), 0),
    });
  }
}

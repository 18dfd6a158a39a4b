import type { OffsetRange } from "../../handled-ranges.ts";

/** What a reader knew of a partition when it let go of it. */
export type UncommittedRanges = {
  /** What the coordinator was known to have stored, or where reading began. */
  readonly floor: number;
  /** All below were handled. */
  readonly offset: number;
  /** Handled above, ascending. */
  readonly ranges: readonly OffsetRange[];
};

/** The identity of a topic that is too old to have one. */
const noId = /^[0-]*$/;

/**
 * What this process has handled and the coordinator may not have heard of, because the connection or the group was
 * lost. It outlives the reader, so that the next one does not hand the same events to the app once more, behind later
 * ones of their key.
 */
export class UncommittedOffsets {
  readonly #partitions = new Map<string, UncommittedRanges>();

  /** That of a consumer group at a cluster. */
  static of(brokers: readonly string[], group: string): UncommittedOffsets {
    const identity = JSON.stringify([brokers.toSorted(), group]);
    const known = byIdentity.get(identity) ?? new UncommittedOffsets();
    byIdentity.set(identity, known);
    return known;
  }

  /** `topicId`: a topic that was made anew has other events at the same offsets. */
  store(topicId: string | undefined, partition: number, what: UncommittedRanges): void {
    if (topicId === undefined || noId.test(topicId)) return;
    this.#partitions.set(`${topicId} ${partition}`, what);
  }

  /** The offset below which all was handled; `undefined`: this process has not read the partition. */
  positionOf(topicId: string | undefined, partition: number): number | undefined {
    return this.#partitions.get(`${topicId} ${partition}`)?.offset;
  }

  /**
   * The ranges from `offset` on that were handled, with those that are known from the coordinator, and forgets them.
   * Where the group was set back meanwhile, somebody wants the events again.
   */
  take(
    topicId: string | undefined,
    partition: number,
    offset: number,
    known: readonly OffsetRange[],
  ): OffsetRange[] {
    const key = `${topicId} ${partition}`;
    const found = this.#partitions.get(key);
    this.#partitions.delete(key);
    if (found === undefined || offset < found.floor) return [...known];
    return union([...known, { first: offset, last: found.offset - 1 }, ...found.ranges], offset);
  }
}

/** The ranges from an offset on, ascending and apart. */
function union(ranges: readonly OffsetRange[], from: number): OffsetRange[] {
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of ranges.toSorted((one, other) => one.first - other.first)) {
    if (last < Math.max(first, from)) continue;
    const before = result.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else result.push({ first: Math.max(first, from), last });
  }
  return result;
}

const byIdentity = new Map<string, UncommittedOffsets>();

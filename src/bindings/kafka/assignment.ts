import type {
  ExtendedGroupProtocolSubscription,
  GroupPartitionsAssigner,
} from "@platformatic/kafka";

/** How partitions are shared among the members of a group, by the name that goes over the wire. */
export type Strategy = "range" | "roundrobin" | "sticky";

type TopicPartition = { readonly topic: string; readonly partition: number };
type Members = ReadonlyMap<string, ExtendedGroupProtocolSubscription>;

/** Shares partitions as the strategy says. Each partition goes to exactly one member that reads its topic. */
export function assignerOf(strategy: Strategy): GroupPartitionsAssigner {
  return (_self, members, _own, metadata) => {
    // All that anybody reads, not only what this member does: another one may read more.
    const topics = new Set([...members.values()].flatMap((member) => member.topics ?? []));
    const counts = new Map(
      [...topics].map((topic) => [topic, metadata.topics.get(topic)?.partitionsCount ?? 0]),
    );
    const shares = assign(strategy, members, counts);
    return [...shares].map(([memberId, share]) => ({ memberId, assignments: byTopic(share) }));
  };
}

/** The shares by member id, for topics with their number of partitions. */
export function assign(
  strategy: Strategy,
  members: Members,
  topics: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const ids = [...members.keys()].sort();
  const shares = new Map<string, TopicPartition[]>(ids.map((id) => [id, []]));
  const names = [...topics.keys()].sort();
  if (strategy === "range")
    for (const topic of names) shareRange(topic, topics.get(topic) ?? 0, members, ids, shares);
  else
    shareEvenly(
      names,
      topics,
      members,
      ids,
      shares,
      strategy === "sticky" ? ownedBy(members) : new Map(),
    );
  return shares;
}

function shareRange(
  topic: string,
  count: number,
  members: Members,
  ids: readonly string[],
  shares: Map<string, TopicPartition[]>,
): void {
  const readers = ids.filter((id) => reads(members, id, topic));
  readers.forEach((id, index) => {
    const from = Math.floor((count * index) / readers.length);
    const to = Math.floor((count * (index + 1)) / readers.length);
    for (let partition = from; partition < to; partition++)
      shares.get(id)?.push({ topic, partition });
  });
}

// Who owns a partition keeps it while that is no more than a fair share; the rest goes to whoever has least.
function shareEvenly(
  names: readonly string[],
  topics: ReadonlyMap<string, number>,
  members: Members,
  ids: readonly string[],
  shares: Map<string, TopicPartition[]>,
  owners: ReadonlyMap<string, string>,
): void {
  const all = names.flatMap((topic) =>
    Array.from({ length: topics.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
  );
  const fair = Math.ceil(all.length / Math.max(1, ids.length));
  const rest = all.filter((one) => {
    const owner = owners.get(`${one.topic}:${one.partition}`);
    const share = owner === undefined ? undefined : shares.get(owner);
    if (
      owner === undefined ||
      share === undefined ||
      share.length >= fair ||
      !reads(members, owner, one.topic)
    )
      return true;
    share.push(one);
    return false;
  });
  for (const one of rest) {
    const least = ids
      .filter((id) => reads(members, id, one.topic))
      .reduce<TopicPartition[] | undefined>((best, id) => {
        const share = shares.get(id);
        return share !== undefined && (best === undefined || share.length < best.length)
          ? share
          : best;
      }, undefined);
    least?.push(one);
  }
  level(ids, members, shares);
}

// Two shares never differ by more than one where both members read the topic of what can be moved.
function level(
  ids: readonly string[],
  members: Members,
  shares: Map<string, TopicPartition[]>,
): void {
  for (;;) {
    const sorted = ids
      .map((id) => ({ id, share: shares.get(id) ?? [] }))
      .sort((a, b) => a.share.length - b.share.length);
    const least = sorted[0];
    const most = sorted.at(-1);
    if (least === undefined || most === undefined || most.share.length - least.share.length < 2)
      return;
    const index = most.share.findLastIndex(({ topic }) => reads(members, least.id, topic));
    const [moved] = index < 0 ? [] : most.share.splice(index, 1);
    if (moved === undefined) return;
    least.share.push(moved);
  }
}

function reads(members: Members, id: string, topic: string): boolean {
  return members.get(id)?.topics?.includes(topic) ?? false;
}

/**
 * What a member of a sticky group tells of the partitions it has, as Kafka's clients write it: topics
 * with their partitions, then the generation.
 */
export function encodeOwned(places: Iterable<TopicPartition>, generation: number): Buffer {
  const owned = new Map<string, number[]>();
  for (const { topic, partition } of places)
    owned.set(topic, [...(owned.get(topic) ?? []), partition]);
  const parts: Buffer[] = [int32(owned.size)];
  for (const [topic, partitions] of owned) {
    const name = Buffer.from(topic);
    const length = Buffer.alloc(2);
    length.writeInt16BE(name.length);
    parts.push(length, name, int32(partitions.length), ...partitions.map(int32));
  }
  return Buffer.concat([...parts, int32(generation)]);
}

function ownedBy(members: Members): Map<string, string> {
  const owners = new Map<string, { id: string; generation: number }>();
  for (const [id, { metadata }] of members) {
    const owned = Buffer.isBuffer(metadata) ? decodeOwned(metadata) : undefined;
    for (const key of owned?.keys ?? []) {
      const before = owners.get(key);
      if (before === undefined || (owned?.generation ?? -1) > before.generation) {
        owners.set(key, { id, generation: owned?.generation ?? -1 });
      }
    }
  }
  return new Map([...owners].map(([key, { id }]) => [key, id]));
}

// Whatever cannot be read counts as owning nothing: sharing goes on, only less sticky.
function decodeOwned(data: Buffer): { keys: string[]; generation: number } | undefined {
  const keys: string[] = [];
  let at = 0;
  try {
    const topics = data.readInt32BE(at);
    at += 4;
    for (let i = 0; i < topics; i++) {
      const length = data.readInt16BE(at);
      const topic = data.toString("utf8", at + 2, at + 2 + length);
      at += 2 + length;
      const count = data.readInt32BE(at);
      at += 4;
      for (let j = 0; j < count; j++, at += 4) keys.push(`${topic}:${data.readInt32BE(at)}`);
    }
    return { keys, generation: at + 4 <= data.length ? data.readInt32BE(at) : -1 };
  } catch {
    return undefined;
  }
}

function byTopic(
  share: readonly TopicPartition[],
): Map<string, { topic: string; partitions: number[] }> {
  const topics = new Map<string, { topic: string; partitions: number[] }>();
  for (const { topic, partition } of share) {
    const entry = topics.get(topic) ?? { topic, partitions: [] };
    entry.partitions.push(partition);
    topics.set(topic, entry);
  }
  return topics;
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

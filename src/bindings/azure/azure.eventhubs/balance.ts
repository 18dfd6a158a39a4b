import type { Ownership } from "./checkpoint-store.ts";

/**
 * Which partitions to claim in this round, as Azure's libraries share them: each reader has as many as the others, or one more.
 * What nobody owns is taken at once up to that share; one is taken from a reader that has more than its share.
 */
export function claimsOf(
  partitions: readonly string[],
  ownerships: readonly Ownership[],
  me: string,
  expiration: number,
  random: () => number = Math.random,
): string[] {
  const owners = new Map<string, string[]>([[me, []]]);
  const free = new Set(partitions);
  for (const { partition, owner, age } of ownerships) {
    if (owner === "" || age > expiration || !free.has(partition)) continue;
    free.delete(partition);
    owners.set(owner, [...(owners.get(owner) ?? []), partition]);
  }
  const mine = owners.get(me)?.length ?? 0;
  const least = Math.floor(partitions.length / owners.size);
  const more = partitions.length % owners.size;
  const others = [...owners].filter(([owner]) => owner !== me);
  const withMore = others.filter(([, has]) => has.length > least).length;
  const share = least + (withMore < more ? 1 : 0);
  if (mine >= share) return [];
  if (free.size > 0) return shuffled([...free], random).slice(0, share - mine);
  const above = others.filter(([, has]) => has.length > least + (more > 0 ? 1 : 0));
  const full = mine < least ? others.filter(([, has]) => has.length > least) : [];
  const [richest] = (above.length > 0 ? above : full).toSorted(
    ([, one], [, other]) => other.length - one.length,
  );
  return richest === undefined ? [] : shuffled(richest[1], random).slice(0, 1);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([one], [other]) => one - other)
    .map(([, item]) => item);
}

type Member = { beatAt: number; held: ReadonlySet<number> };

/**
 * A consumer group, as the reference describes it: members that are silent for the timeout are removed, the shards are
 * shared out evenly, and a shard goes to another member once the one before names it no more.
 */
export class Consumers {
  readonly timeout: number;
  readonly order: boolean;
  readonly checkpoints = new Map<
    number,
    { checkpoint: string; updateTime: number; consumer: string }
  >();
  readonly members = new Map<string, Member>();
  readonly #wanted = new Map<number, string>();

  /** `timeout`: in seconds. */
  constructor(timeout: number, order: boolean) {
    this.timeout = timeout;
    this.order = order;
  }

  beat(consumer: string, held: readonly number[], shards: number): number[] {
    const now = Date.now();
    this.members.set(consumer, { beatAt: now, held: new Set(held) });
    for (const [name, { beatAt }] of this.members)
      if (now - beatAt > this.timeout * 1000) this.members.delete(name);
    const names = [...this.members.keys()].toSorted();
    const most = Math.ceil(shards / names.length);
    const owned = new Map(names.map((name) => [name, [] as number[]]));
    const free: number[] = [];
    for (let shard = 0; shard < shards; shard++) {
      const mine = owned.get(this.#wanted.get(shard) ?? "");
      if (mine === undefined || mine.length >= most) free.push(shard);
      else mine.push(shard);
    }
    for (const shard of free) {
      const least = [...owned].toSorted((a, b) => a[1].length - b[1].length)[0];
      least?.[1].push(shard);
    }
    this.#wanted.clear();
    for (const [name, list] of owned) for (const shard of list) this.#wanted.set(shard, name);
    const isFree = (shard: number): boolean =>
      [...this.members].every(([name, one]) => name === consumer || !one.held.has(shard));
    const given = (owned.get(consumer) ?? []).filter(isFree);
    this.members.set(consumer, { beatAt: now, held: new Set([...held, ...given]) });
    return given;
  }

  /** Why a member may not store how far a shard was read. The words are the service's, as it spells them. */
  refusalOf(consumer: string, shard: number): string | undefined {
    const member = this.members.get(consumer);
    if (member === undefined) return "ConsumerNotExsit";
    const isOwn = this.#wanted.get(shard) === consumer || member.held.has(shard);
    return isOwn ? undefined : "ConsumerNotMatch";
  }
}

import { BindingError } from "../../errors.ts";
import {
  lostLease,
  type HandOverRequest,
  type HandOverStore,
  type LeaseAttempt,
  type LeaseGrant,
  type LeaseHolder,
  type LeaseStore,
} from "../leases.ts";
import type { StoreConnection } from "./connection.ts";
import type { Fences } from "./fences.ts";
import { isGone, jsonIn, type StoredMessage } from "./messages.ts";
import { Conflict } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import { Watch } from "./watch.ts";
import type { StreamWriter } from "./writer.ts";

/** What the message of a lease says. `since` is absent in the first one: it is the message's own time. */
type LeaseRecord = {
  readonly name: string;
  readonly replica: string;
  readonly since?: number;
  /** The sequence of the message of its epoch. Absent in the first one, in whose batch that is. */
  readonly epoch?: number;
};

/** What the message of a request says. */
type RequestRecord = {
  readonly name: string;
  readonly owner: string;
  readonly successor: string;
};

/** What a replica does with all of its leases at one moment is one batch. */
const lane = "leases";

/**
 * Leases as messages with a time to live, each of which expects the sequence of the one before. The take-over, and nothing
 * else, writes the epoch, in the same batch.
 */
export class NatsLeases implements LeaseStore {
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;
  readonly #subjects: Subjects;
  readonly #fences: Fences;
  readonly #watch: Watch<LeaseRecord | RequestRecord>;
  readonly handOvers: HandOverStore = {
    request: (request, ttl) => this.#request(request, ttl),
    watch: (changed) =>
      this.#watch.watch((record, isThere) => {
        if ("successor" in record) changed(record, isThere);
      }),
  };
  readonly #times = new Map<number, Promise<number>>();

  constructor(
    connection: StoreConnection,
    reader: StreamReader,
    writer: StreamWriter,
    subjects: Subjects,
    fences: Fences,
  ) {
    this.#reader = reader;
    this.#writer = writer;
    this.#subjects = subjects;
    this.#fences = fences;
    this.#watch = new Watch<LeaseRecord | RequestRecord>(connection, reader, {
      // Requests come in their place among the changes of the leases, and need no consumer of their own.
      filter: `${subjects.records}.lease.>`,
      // A server that dies takes its consumers along: others have to hear of a lease that ran out.
      heartbeat: 1_000,
      parse: ({ body, time }) => {
        const record = recordOf(body);
        return record === undefined ? requestOf(body) : { since: time, ...record };
      },
      // A renewal changes nothing.
      isSame: (a, b) =>
        "replica" in a && "replica" in b && a.replica === b.replica && a.since === b.since,
    });
  }

  async acquire(name: string, replica: string, ttl: number): Promise<LeaseAttempt> {
    const lease = await this.#reader.last(this.#subjects.lease(name));
    const holder = lease && holderOf(lease);
    if (holder !== undefined && holder.replica !== replica) return { state: "held", holder };
    const epoch = await this.#reader.last(this.#subjects.epoch(name));
    const record = { name, replica } satisfies LeaseRecord;
    const body = encoded(record);
    try {
      const { sequences, last } = await this.#writer.writeUnfenced(lane, [
        { subject: this.#subjects.epoch(name), body, expected: epoch?.sequence ?? 0 },
        { subject: this.#subjects.lease(name), body, expected: lease?.sequence ?? 0, ttl },
      ]);
      const [epochSequence = 0, revision = 0] = sequences;
      this.#fences.set(name, epochSequence);
      const storeTime = await this.#timeOf(last);
      const grant = { name, holder: { replica, since: storeTime }, epoch: epochSequence };
      return { state: "granted", grant: { ...grant, revision, storeTime } };
    } catch (error) {
      if (error instanceof Conflict) return { state: "held", holder: undefined };
      throw error;
    }
  }

  async renew(grant: LeaseGrant, ttl: number): Promise<LeaseGrant> {
    const { name, holder, epoch } = grant;
    const subject = this.#subjects.lease(name);
    const body = encoded({ name, ...holder, epoch } satisfies LeaseRecord);
    const write = async (expected: number): Promise<LeaseGrant> => {
      const change = { subject, body, ttl, expected };
      const { sequences, last } = await this.#writer.writeUnfenced(lane, [change]);
      const [revision = 0] = sequences;
      return { ...grant, revision, storeTime: await this.#timeOf(last) };
    };
    try {
      return await write(grant.revision);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      // An earlier renewal of this very grant may have come through, of which nobody was told.
      const lease = await this.#reader.last(subject);
      const record = lease && !isGone(lease) ? recordOf(lease.body) : undefined;
      const isOurs = record?.replica === holder.replica && record.epoch === epoch;
      if (lease === undefined || !isOurs) throw lostLease(name, lease && holderOf(lease));
      try {
        return await write(lease.sequence);
      } catch (again) {
        throw again instanceof Conflict ? lostLease(name, undefined) : again;
      }
    }
  }

  async release({ name, epoch, revision }: LeaseGrant): Promise<void> {
    const subject = this.#subjects.lease(name);
    try {
      await this.#writer.writeUnfenced(`lease ${name}`, [
        { subject, body: undefined, expected: revision },
      ]);
    } catch {
      // It runs out by itself.
    }
    this.#fences.remove(name, epoch);
  }

  watch(changed: (name: string, holder: LeaseHolder | undefined) => void): () => void {
    return this.#watch.watch((record, isThere) => {
      if (!("replica" in record)) return;
      const { name, replica, since = 0 } = record;
      changed(name, isThere ? { replica, since } : undefined);
    });
  }

  async #request({ name, owner, successor }: HandOverRequest, ttl: number): Promise<boolean> {
    const subject = this.#subjects.successor(name);
    const there = await this.#reader.last(subject);
    if (there !== undefined && !isGone(there)) return false;
    const body = encoded({ name, owner, successor });
    try {
      const change = { subject, body, ttl, expected: there?.sequence ?? 0 };
      await this.#writer.writeUnfenced(`request ${name}`, [change]);
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }

  close(): void {
    this.#watch.close();
  }

  /** The server's clock when it stored the message, which is asked once for all of a batch. */
  #timeOf(sequence: number): Promise<number> {
    const known = this.#times.get(sequence);
    if (known !== undefined) return known;
    const time = this.#reader.at(sequence).then((message) => {
      if (message !== undefined) return message.time;
      throw new BindingError("unavailable", "the lease was changed while it was read; try again", {
        effect: "ambiguous",
      });
    });
    this.#times.set(sequence, time);
    const forget = (): boolean => this.#times.delete(sequence);
    time.then(forget, forget);
    return time;
  }
}

function encoded(record: LeaseRecord | RequestRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record));
}

function recordOf(body: Uint8Array): LeaseRecord | undefined {
  const record = jsonIn(body) as LeaseRecord | null | undefined;
  return typeof record?.name === "string" && typeof record.replica === "string"
    ? record
    : undefined;
}

function requestOf(body: Uint8Array): RequestRecord | undefined {
  const record = jsonIn(body) as RequestRecord | null | undefined;
  const texts = [record?.name, record?.owner, record?.successor];
  return texts.every((text) => typeof text === "string") ? (record ?? undefined) : undefined;
}

/** `undefined`: nobody has it. */
function holderOf(message: StoredMessage): LeaseHolder | undefined {
  const record = isGone(message) ? undefined : recordOf(message.body);
  return record && { replica: record.replica, since: record.since ?? message.time };
}

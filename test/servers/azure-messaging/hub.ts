import { createHash } from "node:crypto";
import rhea from "rhea";
import type { Message, Sender } from "rhea";
import type { Journal } from "./journal.ts";
import { roomOf } from "./room.ts";

type Stored = { readonly sequence: number; readonly message: Message; readonly enqueued: number };

/** A link that reads a partition, from the event `next` on. */
type HubLink = {
  readonly sender: Sender;
  readonly group: string;
  readonly epoch: number | undefined;
  next: number;
};

/** Offsets are further apart than sequence numbers. */
const offsetStep = 104;

class Partition {
  readonly events: Stored[] = [];
  readonly links = new Set<HubLink>();
  /** Sequence numbers below are gone. */
  first = 0;
}

/** An event hub: partitions, filters by offset, sequence number or time, and owner levels. */
export class Hub {
  readonly name: string;
  created = Date.now();
  readonly #partitions: Partition[];
  readonly #journal: Journal;
  #turn = 0;

  constructor(name: string, partitions: number, journal: Journal) {
    this.name = name;
    this.#partitions = Array.from({ length: partitions }, () => new Partition());
    this.#journal = journal;
  }

  get ids(): string[] {
    return this.#partitions.map((_, index) => String(index));
  }

  eventsOf(id: string): readonly Stored[] {
    return this.#of(id).events;
  }

  /** Which readers there are: of each partition, its groups and owner levels. */
  readers(id: string): readonly HubLink[] {
    return [...this.#of(id).links];
  }

  has(id: string): boolean {
    return this.#partitions[Number(id)] !== undefined;
  }

  put(message: Message, to?: string): void {
    const key: unknown = message.message_annotations?.["x-opt-partition-key"];
    const id =
      to ??
      (typeof key === "string" ? this.#hash(key) : String(this.#turn++ % this.#partitions.length));
    const enqueued = Date.now();
    const { sequence } = this.restore(message, id, enqueued);
    const bytes = rhea.message.encode(message).toString("base64");
    this.#journal.note({ at: `${this.name}/${id}`, sequence, message: bytes, time: enqueued });
    this.pump(id);
  }

  restore(message: Message, id: string, enqueued: number): Stored {
    const partition = this.#of(id);
    const stored = { sequence: partition.first + partition.events.length, message, enqueued };
    partition.events.push(stored);
    // One that comes back from its journal was made before.
    this.created = Math.min(this.created, enqueued);
    return stored;
  }

  /** Adds partitions, as a hub of the premium tier can. */
  grow(partitions: number): void {
    for (let added = 0; added < partitions; added++) this.#partitions.push(new Partition());
  }

  /** Drops the oldest events, as retention does. */
  forget(id: string, count: number): void {
    const partition = this.#of(id);
    partition.events.splice(0, count);
    partition.first += count;
  }

  /** The condition why it is refused, or nothing. */
  attach(
    id: string,
    link: Omit<HubLink, "next">,
    filter: string | undefined,
  ): { readonly condition: string; readonly description: string } | undefined {
    const partition = this.#of(id);
    const mates = [...partition.links].filter(({ group }) => group === link.group);
    const highest = Math.max(-1, ...mates.map(({ epoch }) => epoch ?? -1));
    if (highest > (link.epoch ?? -1)) {
      return {
        condition: "amqp:link:stolen",
        description: `At least one receiver for the endpoint is created with epoch of '${highest}', and so a new receiver with epoch '${link.epoch ?? "none"}' is not allowed.`,
      };
    }
    if (link.epoch !== undefined) {
      for (const mate of mates) {
        partition.links.delete(mate);
        mate.sender.close({
          condition: "amqp:link:stolen",
          description: `New receiver with higher epoch of '${link.epoch}' is created hence current receiver with epoch '${mate.epoch ?? "none"}' is getting disconnected.`,
        });
      }
    } else if (mates.length >= 5) {
      return {
        condition: "amqp:resource-limit-exceeded",
        description:
          "Exceeded the maximum number of allowed receivers per partition in a consumer group which is 5.",
      };
    }
    partition.links.add({ ...link, next: this.#start(partition, filter) });
    return undefined;
  }

  detach(sender: Sender): void {
    for (const { links } of this.#partitions)
      for (const link of links) if (link.sender === sender) links.delete(link);
  }

  pump(id: string): void {
    const partition = this.#of(id);
    for (const link of partition.links) {
      link.next = Math.max(link.next, partition.first);
      while (link.sender.is_open() && link.sender.sendable() && roomOf(link.sender) > 0) {
        const stored = partition.events[link.next - partition.first];
        if (stored === undefined) break;
        link.next++;
        this.#send(link, stored);
      }
    }
  }

  pumpAll(): void {
    for (const id of this.ids) this.pump(id);
  }

  describePartition(id: string): Record<string, unknown> {
    const { types } = rhea;
    const { events, first } = this.#of(id);
    const enqueued = events.at(-1)?.enqueued ?? 0;
    // Of the last that ever was, also where retention has dropped it.
    const last = first + events.length - 1;
    return {
      name: this.name,
      partition: id,
      type: "com.microsoft:partition",
      begin_sequence_number: types.wrap_long(first),
      last_enqueued_sequence_number: types.wrap_long(last),
      last_enqueued_offset: String(last < 0 ? -1 : last * offsetStep),
      last_enqueued_time_utc: types.wrap_timestamp(enqueued),
      is_partition_empty: events.length === 0,
    };
  }

  #send({ sender }: HubLink, { sequence, message, enqueued }: Stored): void {
    const { types } = rhea;
    sender.send({
      ...message,
      message_annotations: {
        ...message.message_annotations,
        "x-opt-sequence-number": types.wrap_long(sequence),
        "x-opt-offset": String(sequence * offsetStep),
        "x-opt-enqueued-time": types.wrap_timestamp(enqueued),
      },
    });
  }

  #start({ events, first }: Partition, filter: string | undefined): number {
    const read = /x-opt-(offset|sequence-number|enqueued-time) (>=?) '(-?\d+|@latest)'/.exec(
      filter ?? "",
    );
    if (read === null) return first;
    const [, name, comparison, value = ""] = read;
    if (value === "@latest") return first + events.length;
    const wanted = Number(value);
    const found = events.find(({ sequence, enqueued }) => {
      const one =
        name === "offset"
          ? sequence * offsetStep
          : name === "sequence-number"
            ? sequence
            : enqueued;
      return comparison === ">" ? one > wanted : one >= wanted;
    });
    return found?.sequence ?? first + events.length;
  }

  #hash(key: string): string {
    const digest = createHash("sha256").update(key).digest();
    return String(digest.readUInt32BE() % this.#partitions.length);
  }

  #of(id: string): Partition {
    const found = this.#partitions[Number(id)];
    if (found === undefined) throw new RangeError(`there is no partition ${id}`);
    return found;
  }
}

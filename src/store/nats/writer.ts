import { randomBytes } from "node:crypto";
import { BindingError } from "../../errors.ts";
import type { StoreConnection } from "./connection.ts";
import { fencedError, type Fences } from "./fences.ts";
import { headerNames, jsonIn, nothing, ttlText, type NewMessage } from "./messages.ts";
import { Busy, Conflict, headerRoom, mostInBatch, publish } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import { partSubject, type Subjects } from "./subjects.ts";

/** What was written. */
export type Written = {
  /** Of the messages of the changes. */
  readonly sequences: readonly number[];
  /** The last message that was written with them: all of them have its time. */
  readonly last: number;
};

/** What is to become of one subject. */
export type Change = {
  readonly subject: string;
  /** `undefined`: it is to go. */
  readonly body: Uint8Array | undefined;
  /** What is known of it without its body, as JSON of ASCII. */
  readonly about?: string;
  /** After so many milliseconds it goes by itself, rounded up to seconds. */
  readonly ttl?: number;
  /** The sequence of the subject's last message, 0: none. Absent: whatever there is. */
  readonly expected?: number;
  /** How many parts lie beside what is there. */
  readonly partsBefore?: number;
};

/** How long what is gone is still told, in milliseconds. */
const goneFor = 60_000;
/** What a lost answer means is looked for, and what others are in the way of is tried, for so long. */
const patience = 10_000;
/** Of one batch; a single change may have more. */
const batchBytes = 4 * 1024 * 1024;

type Lane = {
  readonly key: string;
  /** Whose lease fences what is written. */
  readonly component: string | undefined;
};

type Job = {
  readonly messages: NewMessage[];
  /** Where the heads of its changes are in it. */
  readonly heads: readonly number[];
  readonly id: string;
  readonly resolve: (written: Written) => void;
  readonly reject: (error: unknown) => void;
};

/** Writes changes. Those of a component that come while a batch is under way share the next one. */
export class StreamWriter {
  readonly #connection: StoreConnection;
  readonly #reader: StreamReader;
  readonly #subjects: Subjects;
  readonly #fences: Fences;
  readonly #lanes = new Map<string, Job[]>();
  readonly #outcome: (error: BindingError | undefined) => void;
  readonly #run = randomBytes(6).toString("base64url");
  #number = 0;
  #unfinished = 0;
  #idle: (() => void)[] = [];

  constructor(
    connection: StoreConnection,
    reader: StreamReader,
    subjects: Subjects,
    fences: Fences,
    /** Told how each write went, as far as that tells of the store. */
    outcome: (error: BindingError | undefined) => void,
  ) {
    this.#connection = connection;
    this.#reader = reader;
    this.#subjects = subjects;
    this.#fences = fences;
    this.#outcome = outcome;
  }

  /**
   * Makes all of the changes about a component, or none. Rejects with a
   * {@link Conflict} where one's expectation is not met, with a `BindingError` (`aborted`) where this process has had the
   * component's lease, and another one has it now.
   */
  write(component: string, changes: readonly Change[]): Promise<Written> {
    return this.#write({ key: `of ${component}`, component }, changes);
  }

  /** The same, whoever has a lease. What is of one `lane` shares batches, and stays in order. */
  writeUnfenced(lane: string, changes: readonly Change[]): Promise<Written> {
    return this.#write({ key: `lane ${lane}`, component: undefined }, changes);
  }

  async #write(lane: Lane, changes: readonly Change[]): Promise<Written> {
    this.#unfinished++;
    try {
      return await this.#queued(lane, changes);
    } finally {
      if (--this.#unfinished === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #queued(lane: Lane, changes: readonly Change[]): Promise<Written> {
    const link = await this.#connection.link();
    const id = `${this.#run}.${++this.#number}`;
    const { messages, heads } = messagesOf(changes, link.largestMessage - headerRoom, id);
    if (messages.length > mostInBatch - 1) {
      throw new BindingError(
        "invalid_argument",
        `cannot keep this in the store on NATS: it needs ${messages.length} messages of ${link.largestMessage} bytes, and a batch has at most ${mostInBatch}; raise the servers' max_payload`,
      );
    }
    return new Promise((resolve, reject) => {
      const job = { messages, heads, id, resolve, reject };
      const waiting = this.#lanes.get(lane.key);
      if (waiting !== undefined) return void waiting.push(job);
      this.#lanes.set(lane.key, [job]);
      void this.#work(lane);
    });
  }

  /** Resolves once nothing is under way. */
  async flush(): Promise<void> {
    while (this.#unfinished > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #work(lane: Lane): Promise<void> {
    const waiting = this.#lanes.get(lane.key) ?? [];
    // What comes in the same turn is one batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const jobs = together(waiting);
      try {
        await this.#commit(lane, jobs);
      } catch (error) {
        if (jobs.length === 1 || !(error instanceof Conflict || isOfOne(error))) {
          for (const { reject } of jobs) reject(error);
          continue;
        }
        // One of them is in the way of the others.
        for (const job of jobs)
          await this.#commit(lane, [job]).catch((error: unknown) => job.reject(error));
      }
    }
    this.#lanes.delete(lane.key);
  }

  async #commit({ component }: Lane, jobs: readonly Job[]): Promise<void> {
    const all = jobs.flatMap(({ messages }) => messages);
    const { messages, epoch } = this.#fenced(component, all);
    try {
      const last = await this.#published(messages);
      let next = last - all.length + 1;
      for (const job of jobs) {
        const start = next;
        job.resolve({ sequences: job.heads.map((index) => start + index), last });
        next += job.messages.length;
      }
      this.#outcome(undefined);
    } catch (error) {
      if (error instanceof BindingError) this.#outcome(error);
      if (error instanceof Conflict && epoch !== undefined && component !== undefined) {
        const now = await this.#reader.last(this.#subjects.epoch(component));
        if (now?.sequence !== epoch) throw fencedError(component, now && ownerOf(now.body));
      }
      throw error;
    }
  }

  /** Has the batch expect the epoch of the component's lease, if this process has taken it. */
  #fenced(component: string | undefined, messages: readonly NewMessage[]) {
    const epoch = component === undefined ? undefined : this.#fences.of(component);
    if (component === undefined || epoch === undefined) return { messages, epoch };
    const expectation = {
      [headerNames.expected]: String(epoch),
      [headerNames.expectedSubject]: this.#subjects.epoch(component),
    };
    const free = messages.findIndex(({ headers }) => headers[headerNames.expected] === undefined);
    if (free >= 0) {
      const carried = messages.map((message, index) =>
        index === free ? { ...message, headers: { ...message.headers, ...expectation } } : message,
      );
      return { messages: carried, epoch };
    }
    const headers = { ...expectation, [headerNames.ttl]: ttlText(goneFor) };
    const guard = { subject: this.#subjects.guard(component), body: nothing, headers };
    return { messages: [guard, ...messages], epoch };
  }

  /** Publishes until the outcome is known. */
  async #published(messages: readonly NewMessage[]): Promise<number> {
    const last = messages.at(-1);
    const id = last?.headers[headerNames.write];
    const deadline = AbortSignal.timeout(patience);
    /** Why nobody knows of an earlier attempt. */
    let doubt: BindingError | undefined;
    let isBusy = false;
    for (let tries = 1; ; tries++) {
      try {
        const link = doubt
          ? await this.#connection.nextLink(deadline)
          : await this.#connection.link();
        if (doubt !== undefined) {
          const found = await this.#reader.last(last?.subject ?? "");
          if (found?.headers.get(headerNames.write) === id) return found?.sequence ?? 0;
        }
        return await publish(link, messages, `${this.#run}.${++this.#number}`, isBusy);
      } catch (error) {
        if (error instanceof Conflict && doubt !== undefined) {
          const found = await this.#reader.last(last?.subject ?? "");
          if (found?.headers.get(headerNames.write) === id) return found?.sequence ?? 0;
          throw error;
        }
        isBusy = error instanceof Busy;
        const isDoubtful = error instanceof BindingError && error.effect === "ambiguous";
        if (!isBusy && !isDoubtful && doubt === undefined) throw error;
        if (isDoubtful) doubt = error;
        if (error instanceof Conflict) throw error;
        if (deadline.aborted || (!isBusy && !isDoubtful && !isPassing(error)))
          throw lost(doubt, error);
        await new Promise((resolve) => setTimeout(resolve, Math.min(20 * tries, 500)));
      }
    }
  }
}

/** What cannot be done now, and may be soon. */
function isPassing(error: unknown): boolean {
  return error instanceof BindingError && error.reason === "unavailable";
}

function lost(doubt: BindingError | undefined, error: unknown): BindingError {
  if (doubt !== undefined)
    return new BindingError("unavailable", doubt.message, { effect: "ambiguous", cause: error });
  const message = `writing to the store on NATS: others write at the same time; try again`;
  return new BindingError("unavailable", message, { effect: "unsent", cause: error });
}

/** Not what would meet each of them. */
function isOfOne(error: unknown): boolean {
  return (
    error instanceof BindingError && error.reason !== "unavailable" && error.reason !== "aborted"
  );
}

/** Takes those that fit one batch and touch no subject twice. */
function together(waiting: Job[]): Job[] {
  const taken: Job[] = [];
  const subjects = new Set<string>();
  let bytes = 0;
  let count = 1;
  for (const job of waiting) {
    const size = job.messages.reduce((sum, { body }) => sum + body.length + 512, 0);
    const fits = bytes + size <= batchBytes && count + job.messages.length <= mostInBatch;
    const isTwice = job.messages.some(({ subject }) => subjects.has(subject));
    if (taken.length > 0 && (!fits || isTwice)) break;
    for (const { subject } of job.messages) subjects.add(subject);
    taken.push(job);
    bytes += size;
    count += job.messages.length;
  }
  waiting.splice(0, taken.length);
  return taken;
}

function messagesOf(changes: readonly Change[], room: number, id: string) {
  const messages: NewMessage[] = [];
  const heads: number[] = [];
  for (const { subject, body, about, ttl, expected, partsBefore = 0 } of changes) {
    const bytes = body ?? nothing;
    const own = {
      [headerNames.write]: id,
      ...(ttl === undefined ? {} : { [headerNames.ttl]: ttlText(ttl) }),
    };
    const parts = Math.max(0, Math.ceil(bytes.length / room) - 1);
    for (let number = 1; number <= Math.max(parts, partsBefore); number++) {
      const part = partSubject(subject, number);
      const data = bytes.subarray(number * room, (number + 1) * room);
      messages.push(
        number > parts ? gone(part, id) : { subject: part, body: data, headers: { ...own } },
      );
    }
    const head =
      body === undefined
        ? gone(subject, id)
        : { subject, body: bytes.subarray(0, room), headers: { ...own } };
    const { headers } = head;
    if (about !== undefined) headers[headerNames.about] = about;
    if (parts > 0) headers[headerNames.parts] = String(parts);
    if (expected !== undefined) headers[headerNames.expected] = String(expected);
    heads.push(messages.length);
    messages.push(head);
  }
  return { messages, heads };
}

/** What takes the place of a message, and goes soon. */
function gone(subject: string, id: string): NewMessage {
  const headers: Record<string, string> = {
    [headerNames.write]: id,
    [headerNames.gone]: "Remove",
    [headerNames.ttl]: ttlText(goneFor),
  };
  return { subject, body: nothing, headers };
}

function ownerOf(body: Uint8Array): string | undefined {
  const replica = (jsonIn(body) as { readonly replica?: unknown } | null | undefined)?.replica;
  return typeof replica === "string" ? replica : undefined;
}

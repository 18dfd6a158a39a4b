import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** A message as it is kept. */
export type Stored = {
  readonly topic: string;
  readonly id: string;
  readonly body: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly group: string;
  readonly trace: string;
  readonly bornHost: string;
  /** Milliseconds since 1970. */
  readonly bornAt: number;
  readonly visibleAt: number;
  readonly queue: number;
  readonly offset: number;
  /** The receiver is told another digest than the body has. */
  readonly isDamaged?: boolean;
};

/** What a consumer group has of a message. */
type Taken = { invisibleUntil: number; receipt: string; attempts: number; isDone: boolean };

export type Given = {
  readonly message: Stored;
  readonly receipt: string;
  readonly attempt: number;
};

const queues = 2;

/** The messages of all topics, and how far each consumer group is. What was sent and acknowledged is kept in a file. */
export class StoredMessages {
  readonly #file: string | undefined;
  readonly #topics = new Map<string, Stored[]>();
  readonly #taken = new Map<string, Taken>();
  readonly #purged = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #turn = 0;

  constructor(file?: string) {
    this.#file = file;
    if (file === undefined || !existsSync(file)) return;
    for (const line of readFileSync(file, "utf8").split("\n")) {
      if (line === "") continue;
      const entry = JSON.parse(line) as { sent?: Stored; done?: string };
      if (entry.sent !== undefined) this.#keep(entry.sent);
      if (entry.done !== undefined) this.#state(entry.done).isDone = true;
    }
  }

  /** Deletes the messages of a topic, as a broker does with old ones. */
  purge(topic: string): void {
    const kept = this.of(topic).at(-1)?.offset ?? -1;
    this.#topics.set(topic, []);
    this.#purged.set(topic, kept + 1);
  }

  /** All messages of a topic. */
  of(topic: string): readonly Stored[] {
    return this.#topics.get(topic) ?? [];
  }

  /** How often the group was given the message. */
  attempts(group: string, { topic, queue, offset }: Stored): number {
    return this.#taken.get(key(group, topic, queue, offset))?.attempts ?? 0;
  }

  isDone(group: string, { topic, queue, offset }: Stored): boolean {
    return this.#taken.get(key(group, topic, queue, offset))?.isDone ?? false;
  }

  send(message: Omit<Stored, "queue" | "offset">): void {
    const { group, topic } = message;
    const hash = createHash("md5").update(group).digest().readUInt32BE(0);
    const queue = group === "" ? this.#turn++ % queues : hash % queues;
    const offset =
      (this.#purged.get(topic) ?? 0) + this.of(topic).filter((one) => one.queue === queue).length;
    const sent = { ...message, queue, offset };
    this.#write({ sent });
    this.#keep(sent);
    this.#wake();
  }

  /**
   * What the group may have now. An orderly group has no more of a queue while some of it are out, and is given again all
   * behind one that comes again, also what it had acknowledged.
   */
  take(options: {
    readonly group: string;
    readonly topic: string;
    readonly filter: (message: Stored) => boolean;
    readonly most: number;
    readonly invisible: number;
    readonly isOrderly: boolean;
  }): readonly Given[] {
    const { group, topic, filter, most, invisible, isOrderly } = options;
    const now = Date.now();
    const given: Given[] = [];
    const held = new Set<number>();
    const firstOf = new Map<number, number>();
    const stateOf = ({ queue, offset }: Stored): Taken =>
      this.#state(key(group, topic, queue, offset));
    if (isOrderly)
      for (const message of this.of(topic)) {
        const state = stateOf(message);
        if (!state.isDone && state.invisibleUntil > now) held.add(message.queue);
      }
    for (const message of this.of(topic)) {
      if (given.length === most) break;
      const state = stateOf(message);
      const comesAgain = isOrderly && firstOf.has(message.queue);
      if (held.has(message.queue) || message.visibleAt > now) continue;
      if (state.isDone ? !comesAgain : state.invisibleUntil > now) continue;
      state.isDone = false;
      if (!filter(message)) {
        this.#done(key(group, topic, message.queue, message.offset));
        continue;
      }
      state.attempts++;
      state.invisibleUntil = now + invisible;
      // As a broker does, the receipt tells of the first message that is given out with it.
      const first = firstOf.get(message.queue) ?? message.offset;
      firstOf.set(message.queue, first);
      state.receipt = receipt(first, now, invisible, message);
      given.push({ message, receipt: state.receipt, attempt: state.attempts });
    }
    return given;
  }

  /** False: the receipt is not the one that counts, which a broker does not tell. */
  acknowledge(group: string, topic: string, given: string): boolean {
    const found = this.#byReceipt(group, topic, given);
    if (found === undefined) return false;
    this.#done(found);
    this.#wake();
    return true;
  }

  /** The new receipt, as a proxy with its broker in itself answers it; `undefined`: the old one does not count. */
  hide(group: string, topic: string, given: string, milliseconds: number): string | undefined {
    const found = this.#byReceipt(group, topic, given);
    if (found === undefined) return undefined;
    const state = this.#state(found);
    const now = Date.now();
    state.invisibleUntil = now + milliseconds;
    const [start = "0", , , , , , queue = "0", offset = "0"] = given.split(" ");
    const at = { queue: Number(queue), offset: Number(offset) };
    state.receipt = receipt(at.offset, ++this.#changes + now, milliseconds, at);
    setTimeout(() => this.#wake(), milliseconds).unref();
    // The broker counts with the message's own place, the proxy answers the first one's.
    return state.receipt.replace(/^\d+/, start);
  }

  #changes = 0;

  /** Resolves when there may be more. */
  more(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, Math.min(milliseconds, 200)));
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #byReceipt(group: string, topic: string, given: string): string | undefined {
    const [, , , , , , queue = "", offset = ""] = given.split(" ");
    const found = key(group, topic, Number(queue), Number(offset));
    const state = this.#taken.get(found);
    return state !== undefined && !state.isDone && state.receipt === given ? found : undefined;
  }

  #done(found: string): void {
    this.#state(found).isDone = true;
    this.#write({ done: found });
  }

  #state(found: string): Taken {
    const known = this.#taken.get(found);
    if (known !== undefined) return known;
    const fresh = { invisibleUntil: 0, receipt: "", attempts: 0, isDone: false };
    this.#taken.set(found, fresh);
    return fresh;
  }

  #keep(message: Stored): void {
    const list = this.#topics.get(message.topic) ?? [];
    this.#topics.set(message.topic, list);
    list.push(message);
  }

  #write(entry: object): void {
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

function key(group: string, topic: string, queue: number, offset: number): string {
  return [group, topic, queue, offset].join(" ");
}

function receipt(
  start: number,
  time: number,
  invisible: number,
  { queue, offset }: { readonly queue: number; readonly offset: number },
): string {
  return [start, time, invisible, 0, 0, "broker-a", queue, offset, 0].join(" ");
}

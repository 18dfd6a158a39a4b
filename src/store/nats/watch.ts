import type { StoreConnection } from "./connection.ts";
import { Follower } from "./follower.ts";
import { headerNames, isGone, type StoredMessage } from "./messages.ts";
import type { StreamReader } from "./reader.ts";

type Watcher<Value> = (value: Value, isThere: boolean) => void;

export type WatchOptions<Value> = {
  readonly filter: string;
  /** `undefined`: it cannot be understood, and is left out. */
  readonly parse: (message: StoredMessage) => Value | undefined;
  readonly isSame?: (a: Value, b: Value) => boolean;
};

/** Small records of one kind, in memory while somebody watches them. One consumer serves all who do. */
export class Watch<Value> {
  readonly #connection: StoreConnection;
  readonly #reader: StreamReader;
  readonly #options: WatchOptions<Value>;
  readonly #values = new Map<string, Value>();
  readonly #watchers = new Set<Watcher<Value>>();
  /** Subjects that were told since what is there began. */
  readonly #seen = new Set<string>();
  #follower: Follower | undefined;
  /** What comes later waits for what has parts. */
  #order = Promise.resolve();

  constructor(connection: StoreConnection, reader: StreamReader, options: WatchOptions<Value>) {
    this.#connection = connection;
    this.#reader = reader;
    this.#options = options;
  }

  /** Tells of what is there, and of each change; a value that goes is told as it was last. The result ends that. */
  watch(changed: Watcher<Value>): () => void {
    const watcher: Watcher<Value> = (value, isThere) => changed(value, isThere);
    queueMicrotask(() => {
      if (!this.#watchers.has(watcher)) return;
      for (const value of this.#values.values()) watcher(value, true);
    });
    this.#watchers.add(watcher);
    this.#follower ??= new Follower(this.#connection, {
      ...{ stream: this.#reader.stream, filter: this.#options.filter },
      begin: () => this.#seen.clear(),
      received: (message) => this.#receive(message),
      current: () => {
        this.#order = this.#order.then(() => this.#sweep());
      },
    });
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.close();
    };
  }

  close(): void {
    this.#follower?.close();
    this.#follower = undefined;
    this.#values.clear();
    this.#watchers.clear();
  }

  #receive(message: StoredMessage): void {
    this.#seen.add(message.subject);
    this.#order = this.#order.then(async () => {
      if (this.#follower === undefined) return;
      if (!message.headers.has(headerNames.parts)) return this.#take(message);
      // One that was changed meanwhile is told again.
      const body = await this.#reader.body(message).catch(() => undefined);
      if (body !== undefined) this.#take({ ...message, body });
    });
  }

  #take(message: StoredMessage): void {
    const { subject } = message;
    const value = isGone(message) ? undefined : this.#options.parse(message);
    if (value === undefined) return this.#remove(subject);
    const before = this.#values.get(subject);
    this.#values.set(subject, value);
    if (before !== undefined && this.#options.isSame?.(before, value)) return;
    for (const watcher of [...this.#watchers]) watcher(value, true);
  }

  #remove(subject: string): void {
    const before = this.#values.get(subject);
    this.#values.delete(subject);
    if (before === undefined) return;
    for (const watcher of [...this.#watchers]) watcher(before, false);
  }

  /** Removes what went while nobody told of it. */
  #sweep(): void {
    for (const subject of [...this.#values.keys()])
      if (!this.#seen.has(subject)) this.#remove(subject);
  }
}

import type { Reader } from "../binding.ts";
import { delay } from "../delay.ts";
import { messageOf } from "../errors.ts";
import type { RelayedReader, RelayOpening } from "../runtime/relay.ts";
import { RelayReader } from "./reader.ts";
import type { SharedLink } from "./shared-link.ts";
import { namesOf, streamMessages, type RelayNames, type RelayTimes } from "./stream.ts";
import { isFenced, RelayWriter } from "./writer.ts";

export type RelayedInputOptions = {
  readonly shared: SharedLink;
  readonly times: RelayTimes;
  /** Copies of the streams that are made; `undefined`: as many as servers, up to 3. */
  readonly replicas: number | undefined;
  /** How many replicas deliver events of a component, this one included. */
  readonly members: (component: string) => number;
  /** Why an acknowledgement of the servers of a stream is not durable; `undefined`: it is. */
  readonly unsafe: (stream: string) => Promise<string | undefined>;
};

/** How long a source that is read no more may wait for the relay, in milliseconds. */
const longestStop = 2_000;
const backlogInterval = 10_000;

/** An input whose source one replica reads into the relay, and whose events all replicas deliver. */
export class RelayedInput implements RelayedReader {
  readonly #options: RelayedInputOptions;
  readonly #opening: RelayOpening;
  readonly #names: RelayNames;
  readonly #reader: RelayReader;
  readonly #ended = new AbortController();
  #partitions = 0;
  #source: { readonly reader: Reader; readonly writer: RelayWriter } | undefined;
  /** The source begins or ends: one after the other. */
  #changing: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void) | undefined;
  #backlogTimer: NodeJS.Timeout | undefined;
  backlog: number | undefined;
  /** What is in the way of the source, and of the reading. */
  readonly #trouble = { source: "", reading: "" };

  constructor(options: RelayedInputOptions, opening: RelayOpening) {
    const { component, logger, app } = opening;
    this.#options = options;
    this.#opening = opening;
    this.#names = namesOf(component.appId, component.name);
    const { shared, times, replicas } = options;
    this.#reader = new RelayReader(
      {
        ...{ names: this.#names, shared, times, logger, deliver: opening.deliver },
        settings: { partitions: opening.partitions, maxBytes: opening.maxBytes, replicas },
        members: () => options.members(component.name),
        wanted: () => app.available,
        redelivered: () => opening.count("redelivered", 1),
        report: (text) => this.#report("reading", text),
        lost: (reason) => opening.lost(reason),
        changed: () => this.#tell(),
      },
      opening.maxInFlight,
    );
  }

  async begin(): Promise<void> {
    const { signal, ownership } = this.#opening;
    this.#partitions = await this.#reader.begin(signal);
    try {
      await this.#change();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#unsubscribe = ownership?.onChange(() => {
      this.#change().catch((error: unknown) => this.#opening.lost(error));
    });
    this.#backlogTimer = setInterval(() => void this.#askBacklog(), backlogInterval);
  }

  get readsSource(): boolean {
    return this.#source !== undefined;
  }

  credit(events: number): void {
    this.#reader.credit(events);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    this.#unsubscribe?.();
    clearInterval(this.#backlogTimer);
    this.#reader.stop();
    await this.#changing.catch(() => {});
    await this.#endSource();
  }

  async flush(): Promise<void> {
    await this.#reader.flush();
  }

  async close(): Promise<void> {
    if (!this.#ended.signal.aborted) await this.stop();
    await this.#reader.close();
  }

  /** Begins or ends the source, as who owns it says. */
  #change(): Promise<void> {
    const changing = this.#changing.catch(() => {}).then(() => this.#follow());
    this.#changing = changing;
    return changing;
  }

  async #follow(): Promise<void> {
    const { ownership } = this.#opening;
    const mayRead = ownership === undefined || ownership.reads;
    if (!mayRead) this.#report("source", "");
    this.#tell();
    if (!mayRead || this.#ended.signal.aborted) {
      await this.#endSource();
      if (!mayRead) ownership.readingEnded?.();
      return;
    }
    if (this.#source === undefined) await this.#beginSource();
  }

  async #beginSource(): Promise<void> {
    const { shared, unsafe } = this.#options;
    const { ownership, logger, keyOf, enter, count, read } = this.#opening;
    const { signal } = this.#ended;
    const writer = new RelayWriter({
      ...{ names: this.#names, partitions: this.#partitions, logger, keyOf, enter },
      unsafe: () => unsafe(this.#names.stream),
      maxBytes: this.#opening.maxBytes,
      token: ownership === undefined ? undefined : (ownership.epoch ?? 0),
      link: (until) => shared.get(until),
      report: (text) => this.#report("source", text),
      published: (events, duplicates) => {
        count("published", events - duplicates);
        if (duplicates > 0) count("duplicate", duplicates);
      },
      fenced: () => {
        logger.info({}, "another replica writes into the relay; the source is read no more here");
        void this.#endSource();
      },
    });
    try {
      await writer.begin(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#report("source", messageOf(error));
      // Another one writes: whoever owns the source says when that is over.
      if (!isFenced(error))
        void delay(longestStop, signal)
          .then(() => this.#change())
          .catch((late: unknown) => this.#opening.lost(late));
      return;
    }
    const reader = await read((events, source) => writer.deliver(events, source), signal);
    this.#source = { reader, writer };
    this.#report("source", "");
  }

  async #endSource(): Promise<void> {
    const source = this.#source;
    this.#source = undefined;
    this.backlog = undefined;
    if (source === undefined) return;
    const { reader, writer } = source;
    const { logger } = this.#opening;
    const steps = [
      () => reader.stop(),
      () => writer.stop(longestStop),
      () => reader.flush(),
      () => reader.close(),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        logger.warn({ reason: messageOf(error) }, "the relay's source could not be closed cleanly");
      }
    }
  }

  #report(what: "source" | "reading", text: string): void {
    if (this.#trouble[what] === text) return;
    this.#trouble[what] = text;
    this.#tell();
  }

  /** Says what is in the way, or else what this replica does of the whole. */
  #tell(): void {
    const { ownership, report } = this.#opening;
    const troubles = [this.#trouble.reading, this.#trouble.source].filter(Boolean);
    if (troubles.length > 0) return report(troubles.join("; "), true);
    const { count, of } = this.#reader.held;
    const mayRead = ownership === undefined || ownership.reads;
    const source = mayRead ? "reads the source" : ownership.reason;
    report(`${source}; delivers ${count} of ${of} partitions of the relay`, false);
  }

  async #askBacklog(): Promise<void> {
    if (this.#source === undefined) return;
    try {
      const link = await this.#options.shared.get(this.#ended.signal);
      this.backlog = await streamMessages(link, this.#names);
    } catch {
      this.backlog = undefined;
    }
  }
}

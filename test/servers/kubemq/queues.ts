import { appendFileSync, existsSync, readFileSync } from "node:fs";

export type Policy = {
  readonly expirationSeconds: number;
  readonly delaySeconds: number;
  readonly maxReceiveCount: number;
  readonly maxReceiveQueue: string;
};

export type Stored = {
  readonly sequence: number;
  readonly id: string;
  channel: string;
  readonly metadata: string;
  /** In base64. */
  readonly body: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly policy: Policy;
  receiveCount: number;
  readonly readyAt: number;
  readonly expiresAt: number;
};

type Entry = { readonly message: Stored } | { readonly gone: number };

/** Queues as KubeMQ's documentation has them, kept on disk: delays, expirations, counts of deliveries. */
export class Queues {
  readonly #file: string;
  readonly #messages = new Map<number, Stored>();
  /** Sent, and neither acknowledged nor given back. */
  readonly #out = new Set<number>();
  readonly #changes = new EventTarget();
  #sequence = 0;

  constructor(file: string) {
    this.#file = file;
    for (const entry of this.#read()) {
      if ("gone" in entry) this.#messages.delete(entry.gone);
      else this.#messages.set(entry.message.sequence, entry.message);
      this.#sequence = Math.max(
        this.#sequence,
        "gone" in entry ? entry.gone : entry.message.sequence,
      );
    }
    setInterval(() => this.#changed(), 50).unref();
  }

  add(message: Pick<Stored, "id" | "channel" | "metadata" | "body" | "tags" | "policy">): Stored {
    const { delaySeconds, expirationSeconds } = message.policy;
    const now = Date.now();
    const stored: Stored = {
      ...{ ...message, sequence: ++this.#sequence, receiveCount: 0 },
      readyAt: now + delaySeconds * 1000,
      expiresAt: expirationSeconds === 0 ? Infinity : now + expirationSeconds * 1000,
    };
    this.#put(stored);
    return stored;
  }

  /** How many a queue has. */
  waiting(channel: string): number {
    return [...this.#messages.values()].filter((one) => one.channel === channel).length;
  }

  /** The next ones, in order, which are out from now on. */
  take(channel: string, most: number): Stored[] {
    const now = Date.now();
    const taken: Stored[] = [];
    for (const message of this.#messages.values()) {
      if (taken.length === most) break;
      if (message.channel !== channel || this.#out.has(message.sequence)) continue;
      if (message.readyAt > now) continue;
      if ((message.expiresAt ?? Infinity) <= now) {
        this.ack(message.sequence);
        continue;
      }
      const { maxReceiveCount, maxReceiveQueue } = message.policy;
      if (maxReceiveCount > 0 && message.receiveCount >= maxReceiveCount) {
        this.ack(message.sequence);
        if (maxReceiveQueue !== "") this.add({ ...message, channel: maxReceiveQueue });
        continue;
      }
      message.receiveCount += 1;
      this.#put(message);
      this.#out.add(message.sequence);
      taken.push(message);
    }
    return taken;
  }

  ack(sequence: number): void {
    this.#out.delete(sequence);
    if (this.#messages.delete(sequence)) this.#note({ gone: sequence });
  }

  nack(sequence: number): void {
    this.#out.delete(sequence);
    this.#changed();
  }

  /** Resolves when there may be another message, or the signal is aborted. */
  async change(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#changes.addEventListener("change", () => resolve(), { once: true, signal });
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #put(message: Stored): void {
    this.#messages.set(message.sequence, message);
    this.#note({ message });
    this.#changed();
  }

  #changed(): void {
    this.#changes.dispatchEvent(new Event("change"));
  }

  #note(entry: Entry): void {
    appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  #read(): Entry[] {
    if (!existsSync(this.#file)) return [];
    // A line that was cut off by a kill was never confirmed.
    return readFileSync(this.#file, "utf8")
      .split("\n")
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Entry];
        } catch {
          return [];
        }
      });
  }
}

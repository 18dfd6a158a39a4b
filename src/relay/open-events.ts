import type { Part } from "./envelope.ts";
import type { Delivered } from "./message.ts";

/** An event that the runtime or the app has. */
export type OpenEvent = {
  /** Of its first message. */
  readonly sequence: number;
  readonly time: string;
  /** Where the latest deliveries of its messages are acknowledged, in their order. */
  readonly replies: string[];
};

export type Gathered = { readonly delivered: Delivered; readonly bytes: Uint8Array };

/** Up to twice as many are remembered. */
const mostHandled = 4_096;

/** What a replica has of a partition, and has handled lately: the server may not know of it. */
export class OpenEvents {
  /** By the sequences of all its messages. */
  readonly #open = new Map<number, { readonly event: OpenEvent; readonly index: number }>();
  /** The time of each message by its sequence. */
  readonly #handled = new Map<number, string>();
  /** Events of which parts have come, by the sequences of their first ones. */
  readonly #partial = new Map<number, (Gathered | undefined)[]>();
  #size = 0;

  /** How many events are open. */
  get size(): number {
    return this.#size;
  }

  /** Of how many messages they are, with those of events that have not come whole. */
  get messages(): number {
    let parts = 0;
    for (const one of this.#partial.values()) parts += one.length;
    return this.#open.size + parts;
  }

  /** How many messages are missing of events that have not come whole. */
  get missing(): number {
    let count = 0;
    for (const parts of this.#partial.values())
      for (const part of parts) if (part === undefined) count++;
    return count;
  }

  /** Whether the runtime has it; then its latest delivery is the one that is acknowledged. */
  isOpen({ sequence, time, reply }: Delivered): boolean {
    const open = this.#open.get(sequence);
    if (open === undefined || (open.index === 0 && open.event.time !== time)) return false;
    open.event.replies[open.index] = reply;
    return true;
  }

  wasHandled(sequence: number, time: string): boolean {
    return this.#handled.get(sequence) === time;
  }

  /** The parts of an event once all have come; `rest`: an earlier part of it is gone, since it was handled. */
  gather(delivered: Delivered, { index, count, bytes }: Part): Gathered[] | "rest" | undefined {
    const part = { delivered, bytes };
    if (count === 1) return [part];
    const first = delivered.sequence - index;
    let parts = this.#partial.get(first);
    if (parts === undefined) {
      // In the order of the stream the first part comes first.
      if (index > 0 && delivered.deliveries === 1) return "rest";
      parts = Array.from({ length: count }, () => undefined);
      this.#partial.set(first, parts);
    }
    parts[index] = part;
    const whole = parts.filter((one) => one !== undefined);
    if (whole.length < count) return undefined;
    this.#partial.delete(first);
    return whole;
  }

  /** Parts of events that did not come whole come again. */
  forgetParts(): void {
    this.#partial.clear();
  }

  open(messages: readonly Delivered[]): OpenEvent {
    const [{ sequence, time } = { sequence: 0, time: "" }] = messages;
    const event: OpenEvent = { sequence, time, replies: messages.map(({ reply }) => reply) };
    for (const [index, { sequence: number }] of messages.entries())
      this.#open.set(number, { event, index });
    this.#times.set(event, messages);
    this.#size++;
    return event;
  }

  handled(event: OpenEvent): void {
    for (const { sequence, time } of this.returned(event)) this.#handled.set(sequence, time);
    if (this.#handled.size > 2 * mostHandled) this.#forgetOldest();
  }

  /** Of which messages it is. */
  returned(event: OpenEvent): readonly Delivered[] {
    const messages = this.#times.get(event) ?? [];
    for (const { sequence } of messages) this.#open.delete(sequence);
    if (messages.length > 0) this.#size--;
    this.#times.delete(event);
    return messages;
  }

  readonly #times = new Map<OpenEvent, readonly Delivered[]>();

  /** Many at one time: a map that loses its first entry again and again looks for the next one ever longer. */
  #forgetOldest(): void {
    for (const sequence of this.#handled.keys()) {
      if (this.#handled.size <= mostHandled) return;
      this.#handled.delete(sequence);
    }
  }
}

import { IncomingMessage } from "../memory/incoming-message.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { AmqpConnection } from "./connection.ts";
import type { Driver, FlowFrame, RawReceiver, TransferFrame } from "./driver.ts";
import type { Delivery, PartialMessage } from "./receiving-options.ts";
import { dispositionsOf, type Outcome } from "./settlements.ts";

/** Puts together what comes over one link, and counts it as the protocol does. The driver does neither. */
export class Transfers {
  readonly #incoming: IncomingMessage;
  #partial: PartialMessage | undefined;

  constructor(memory: MemoryShare) {
    this.#incoming = new IncomingMessage(memory);
  }

  /**
   * The message that is whole with this frame; `undefined`: more of it comes. `aborted`: the server has taken it back. One
   * for which there is no memory ends the connection.
   */
  take(
    connection: AmqpConnection,
    link: RawReceiver,
    { performative, payload }: TransferFrame,
  ): Delivery | "aborted" | undefined {
    link.session.incoming.next_transfer_id++;
    // The driver then renews the session's window.
    connection.raw._register();
    const partial = (this.#partial ??= {
      id: performative.delivery_id ?? 0,
      tag: performative.delivery_tag ?? Buffer.alloc(0),
      format: performative.message_format ?? 0,
      settled: performative.settled === true,
      parts: [],
      bytes: 0,
    });
    const isAborted = performative.aborted === true;
    if (!isAborted && payload !== undefined) {
      partial.parts.push(payload);
      partial.bytes += payload.length;
    }
    if (performative.more === true && !isAborted) {
      const tooMuch = this.#incoming.holds(partial.bytes);
      if (tooMuch !== undefined) connection.fail(tooMuch);
      return undefined;
    }
    this.#partial = undefined;
    this.#incoming.holds(0);
    link.delivery_count++;
    if (link.credit > 0) link.credit--;
    if (isAborted) return "aborted";
    const { parts, id, tag, format, settled } = partial;
    const [only] = parts;
    const message = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    return { id, tag, format, settled, message };
  }

  /** Nothing more comes. */
  release(): void {
    this.#partial = undefined;
    this.#incoming.release();
  }
}

/** Tells the server how many more messages it may send: the window less those that are held. */
export function grantCredit(
  connection: AmqpConnection,
  link: RawReceiver,
  { window, held, now }: { window: number; held: number; now: boolean },
): void {
  const wanted = Math.max(0, window - held);
  const more = wanted - link.credit;
  // Not for each message: a frame of its own would cost more than the message.
  if (more === 0 || (!now && more > 0 && more < window / 4 && link.credit > 0)) return;
  link.credit = wanted;
  link.drain = false;
  sendFlow(connection, link);
}

/** Sends the link's credit, or its wish to have that used up. */
export function sendFlow(connection: AmqpConnection, link: RawReceiver): void {
  link.issue_flow = true;
  connection.raw._register();
}

/** Whether the server says that the credit is used up; of its flows only this matters. */
export function takeFlow(
  link: RawReceiver,
  { drain, link_credit, delivery_count }: FlowFrame["performative"],
): boolean {
  if (drain !== true || (link_credit ?? 0) > 0) return false;
  link.credit = 0;
  link.delivery_count = delivery_count ?? link.delivery_count;
  return true;
}

/** Tells the server what becomes of its messages. `settled`: it need not answer. */
export function sendOutcomes(
  { frames, rhea }: Driver,
  connection: AmqpConnection,
  { session }: RawReceiver,
  noted: ReadonlyMap<number, Outcome>,
  settled: boolean,
): void {
  connection.shareWrite();
  for (const { first, last, outcome } of dispositionsOf(noted)) {
    const said =
      outcome === "modified"
        ? rhea.message.modified({ delivery_failed: true })
        : rhea.message[outcome]();
    const state = said.described();
    session.output(frames.disposition({ role: true, first, last, settled, state }));
  }
}

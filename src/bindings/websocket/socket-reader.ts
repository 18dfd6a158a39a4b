import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { messageOf } from "../../errors.ts";
import type { Reservation } from "../../memory/budget.ts";
import type { Connection, Message } from "./connection.ts";
import type { websocketFields } from "./fields.ts";

/** So many messages are handed over at once. */
const batchMessages = 64;

/** Sends the opening messages, and hands over what comes. */
export async function startReader(
  connection: Connection,
  reading: Reading<typeof websocketFields>,
): Promise<Reader> {
  const { openingMessages } = reading.metadata;
  const reader = new SocketReader(connection, reading);
  // Before the messages, whose answers may come at once.
  reader.begin();
  if (!connection.isGreeted) {
    connection.isGreeted = true;
    const order = new Intl.Collator("en", { numeric: true });
    const named = [...openingMessages].sort(([a], [b]) => order.compare(a, b));
    for (const [, text] of named) await connection.send(Buffer.from(text), false);
  }
  return reader;
}

class SocketReader implements Reader {
  readonly #connection: Connection;
  readonly #reading: Reading<typeof websocketFields>;
  /** The bytes of `#queue`. */
  readonly #held: Reservation;
  #queue: Message[] = [];
  #isDelivering = false;
  #isStopped = false;

  constructor(connection: Connection, reading: Reading<typeof websocketFields>) {
    this.#connection = connection;
    this.#reading = reading;
    this.#held = reading.memory.open();
  }

  begin(): void {
    this.#connection.take((message) => this.#take(message));
  }

  stop(): void {
    this.#isStopped = true;
    this.#connection.release();
  }

  flush(): void {
    // There is nobody to confirm anything to.
  }

  close(): void {
    this.stop();
    this.#queue = [];
    this.#held.release();
  }

  #take(message: Message): void {
    this.#queue.push(message);
    this.#held.add(message.data.length);
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    this.#connection.hold();
    // What is in one piece of the connection is handed over together.
    setImmediate(() => void this.#deliver());
  }

  /** Nothing more is read before all that was read has room. */
  async #deliver(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#isStopped) {
        const batch = this.#queue.splice(0, batchMessages);
        const bytes = batch.reduce((sum, { data }) => sum + data.length, 0);
        const delivered = this.#reading.deliver(batch.map((message) => this.#eventOf(message)));
        this.#held.add(-bytes);
        await delivered;
      }
    } catch (error) {
      this.#reading.lost(new Error(messageOf(error), { cause: error }));
      return;
    } finally {
      this.#isDelivering = false;
    }
    if (!this.#isStopped) this.#connection.resume();
  }

  #eventOf({ data, isBinary }: Message): InboundEvent {
    const { source, subprotocol } = this.#connection;
    return {
      data,
      metadata: {
        ...{ messageType: isBinary ? "binary" : "text", url: source },
        ...(subprotocol === "" ? {} : { subprotocol }),
      },
      headers: [],
      key: this.#reading.metadata.inOrder ? "connection" : undefined,
      settle() {
        // The server keeps nothing, and nothing is told to it.
      },
    };
  }
}

import type { Connection, Submittable } from "pg";
import { IncomingMessage } from "../../memory/incoming-message.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { InputClient } from "./input-client.ts";
import { serverEpoch } from "./pgoutput.ts";
import { now } from "../../sql/timing.ts";

/** What the server sends while it replicates. */
export type StreamMessage =
  | { readonly kind: "data"; readonly lsn: bigint; readonly bytes: Buffer }
  | { readonly kind: "alive"; readonly lsn: bigint; readonly asksForReply: boolean };

export type StreamOptions = {
  readonly client: InputClient;
  readonly memory: MemoryShare;
  readonly take: (message: StreamMessage) => void;
  /** The server has ended the stream, or the connection broke. */
  readonly ended: (error: unknown) => void;
};

/** How many bytes of status messages may wait to be sent; a connection that takes none needs no more of them. */
const mostUnsent = 16_384;

/** A replication: messages one way, how far they were handled the other way. */
export class ChangeStream {
  readonly #options: StreamOptions;
  readonly #incoming: IncomingMessage;
  /** Bytes of a message that has not come whole. */
  #missing = 0;
  #isHeard = true;
  #starting: PromiseWithResolvers<void> | undefined;
  /** The last position that was confirmed. */
  #confirmed = 0n;
  /** Up to where the server says that it has sent. */
  #arrived = 0n;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#incoming = new IncomingMessage(options.memory);
    const { client } = options;
    const { connection } = client;
    // The driver has looked at the chunk before.
    connection.stream.on("data", (chunk: Buffer) => {
      this.#isHeard = true;
      this.#missing += chunk.length;
      const refusal = this.#incoming.holds(this.#missing);
      if (refusal !== undefined) client.lose(new Error(refusal));
    });
    // The length counts itself, and not the letter before it.
    connection.on("message", ({ length }) => (this.#missing -= length + 1));
    connection.stream.once("close", () => this.#incoming.release());
    connection.on("replicationStart", () => {
      this.#starting?.resolve();
      this.#starting = undefined;
    });
  }

  /** Rejects with the server's error when it does not begin; then it may be tried again. */
  async start(command: string): Promise<void> {
    const starting = Promise.withResolvers<void>();
    this.#starting = starting;
    const running: Submittable & Record<string, unknown> = {
      submit: (sending: Connection) => sending.query(command),
      handleCopyData: ({ chunk }: { chunk: Buffer }) => this.#take(chunk),
      handleError: (error: unknown) => this.#end(error),
      handleReadyForQuery: () => this.#end(new Error("the server has ended the stream of changes")),
      handleCommandComplete() {},
      handleRowDescription() {},
      handleDataRow() {},
      handleEmptyQuery() {},
      handlePortalSuspended() {},
      handleCopyInResponse() {},
    };
    this.#options.client.client.query(running);
    await starting.promise;
  }

  /** Whether something was heard of the server since this was asked last. */
  heard(): boolean {
    const isHeard = this.#isHeard;
    this.#isHeard = false;
    return isHeard;
  }

  /**
   * Tells the server how far its messages came and were handled. A position that was told already is left out: the
   * server waits for it at its own end, which is not to depend on an app that takes its time.
   */
  tell(received: bigint, handled: bigint, asksForReply: boolean): void {
    const { connection } = this.#options.client;
    const { stream } = connection;
    if (!stream.writable || stream.writableLength > mostUnsent) return;
    const written = received > this.#arrived ? received : this.#arrived;
    const isNews = handled > this.#confirmed || handled === written;
    if (isNews) this.#confirmed = handled;
    const bytes = Buffer.alloc(34);
    bytes.write("r");
    bytes.writeBigInt64BE(written, 1);
    bytes.writeBigInt64BE(isNews ? handled : 0n, 9);
    bytes.writeBigInt64BE(isNews ? handled : 0n, 17);
    bytes.writeBigInt64BE(BigInt(now() - serverEpoch), 25);
    bytes.writeUInt8(asksForReply ? 1 : 0, 33);
    connection.sendCopyFromChunk(bytes);
  }

  #take(chunk: Buffer): void {
    const message = messageOf(chunk);
    if (message === undefined) return;
    if (message.kind === "alive") this.#answer(message);
    this.#options.take(message);
  }

  /** At once: a server that ends waits for it, and is not to wait for the app or for a reader that was stopped. */
  #answer({ lsn, asksForReply }: StreamMessage & { kind: "alive" }): void {
    if (lsn > this.#arrived) this.#arrived = lsn;
    if (asksForReply) this.tell(lsn, 0n, false);
  }

  #end(error: unknown): void {
    const starting = this.#starting;
    this.#starting = undefined;
    if (starting === undefined) this.#options.ended(error);
    else starting.reject(error);
  }
}

function messageOf(chunk: Buffer): StreamMessage | undefined {
  const kind = String.fromCharCode(chunk[0] ?? 0);
  if (kind === "w") {
    return { kind: "data", lsn: chunk.readBigInt64BE(1), bytes: chunk.subarray(25) };
  }
  if (kind === "k")
    return { kind: "alive", lsn: chunk.readBigInt64BE(1), asksForReply: chunk[17] === 1 };
  return undefined;
}

import type { Connection, Submittable } from "pg";
import { IncomingMessage } from "../../memory/incoming-message.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { InputClient } from "./input-client.ts";
import { serverEpoch } from "./pgoutput.ts";
import { now } from "./timing.ts";

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

/** A replication that runs: messages one way, how far they were handled the other way. */
export class ChangeStream {
  readonly #client: InputClient;
  readonly #incoming: IncomingMessage;
  #heardAt = performance.now();
  /** The last position that was confirmed. */
  #confirmed = 0n;

  private constructor({ client, memory }: StreamOptions) {
    this.#client = client;
    this.#incoming = new IncomingMessage(memory);
  }

  /** Rejects with the server's error when it does not begin. */
  static async start(command: string, options: StreamOptions): Promise<ChangeStream> {
    const { client, take, ended } = options;
    const stream = new ChangeStream(options);
    const { connection } = client;
    let missing = 0;
    // The driver has looked at the chunk before.
    connection.stream.on("data", (chunk: Buffer) => {
      stream.#heardAt = performance.now();
      missing += chunk.length;
      const refusal = stream.#incoming.holds(Math.max(0, missing));
      if (refusal !== undefined) client.lose(new Error(refusal));
    });
    connection.stream.once("close", () => stream.#incoming.release());
    const started = Promise.withResolvers<void>();
    let isStarted = false;
    const end = (error: unknown): void => {
      if (isStarted) ended(error);
      else started.reject(error);
    };
    connection.once("replicationStart", () => {
      isStarted = true;
      missing = 0;
      started.resolve();
    });
    const running: Submittable & Record<string, unknown> = {
      submit: (sending: Connection) => sending.query(command),
      handleCopyData({ chunk }: { chunk: Buffer }) {
        // A letter and a length come before it.
        missing -= chunk.length + 5;
        const message = messageOf(chunk);
        if (message !== undefined) take(message);
      },
      handleError: end,
      handleReadyForQuery: () => end(new Error("the server has ended the stream of changes")),
      handleCommandComplete() {},
      handleRowDescription() {},
      handleDataRow() {},
      handleEmptyQuery() {},
      handlePortalSuspended() {},
      handleCopyInResponse() {},
    };
    client.client.query(running);
    await started.promise;
    return stream;
  }

  /** When the server was last heard of, on the clock of `performance`. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /**
   * Tells the server how far its messages came and were handled. A position that was told already is left out: the
   * server waits for it at its own end, which is not to depend on an app that takes its time.
   */
  tell(received: bigint, handled: bigint, asksForReply: boolean): void {
    const { connection } = this.#client;
    const { stream } = connection;
    if (!stream.writable || stream.writableLength > mostUnsent) return;
    const isNews = handled > this.#confirmed || handled === received;
    if (isNews) this.#confirmed = handled;
    const bytes = Buffer.alloc(34);
    bytes.write("r");
    bytes.writeBigInt64BE(received, 1);
    bytes.writeBigInt64BE(isNews ? handled : 0n, 9);
    bytes.writeBigInt64BE(isNews ? handled : 0n, 17);
    bytes.writeBigInt64BE(BigInt(now() - serverEpoch), 25);
    bytes.writeUInt8(asksForReply ? 1 : 0, 33);
    connection.sendCopyFromChunk(bytes);
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

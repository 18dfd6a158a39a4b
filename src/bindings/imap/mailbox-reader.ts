import type { FetchMessageObject, ImapFlow, MailboxObject, SearchObject } from "imapflow";
import type { InboundEvent, Reader, Reading, Settlement } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { ImapConnection } from "./connection.ts";
import { failureOf } from "./failures.ts";
import type { ImapMetadata, imapFields } from "./fields.ts";
import { Marks } from "./marks.ts";
import { headersOf, parseMessage, type MailParser } from "./message.ts";

/** When a returned message comes again, unless the runtime says it, in milliseconds. */
const tryAgainAfter = 5_000;
/** How soon an end of IDLE that had no reason is followed by another, in milliseconds. */
const leastIdle = 200;
/** When to look again for memory for a message, in milliseconds. */
const roomAfter = 100;
/** While it is parsed and written as JSON a message is there so many times. */
const copies = 4;

/** What a reading has to do with. */
export type Mailbox = {
  readonly connection: ImapConnection;
  readonly parser: MailParser;
  readonly search: SearchObject;
};

/** Hands over one message after another, each when there is room, and marks what was handled. */
export class MailboxReader implements Reader {
  readonly #connection: ImapConnection;
  readonly #client: ImapFlow;
  readonly #parser: MailParser;
  readonly #search: SearchObject;
  readonly #reading: Reading<typeof imapFields>;
  readonly #metadata: ImapMetadata;
  readonly #marks: Marks;
  readonly #uidValidity: string;
  /** Messages that the runtime has, that wait until they come again, or that are to be marked. */
  readonly #held = new Set<number>();
  /** Marked since the last search began: its answer may still name them. */
  #marked = new Set<number>();
  readonly #tooLarge = new Set<number>();
  readonly #returning = new Set<NodeJS.Timeout>();
  readonly #conditions = new Map<"large" | "marks", string>();
  readonly #onExists = (): void => this.#wake();
  #wanted = Promise.withResolvers<void>();
  /** It is time to look whether the mailbox is still the same. */
  #isDue = false;
  #stopped = false;

  private constructor(
    { connection, parser, search }: Mailbox,
    reading: Reading<typeof imapFields>,
    uidValidity: string,
  ) {
    this.#connection = connection;
    this.#client = connection.client;
    this.#parser = parser;
    this.#search = search;
    this.#reading = reading;
    this.#metadata = reading.metadata;
    this.#uidValidity = uidValidity;
    this.#marks = new Marks(
      this.#client,
      reading.metadata,
      reading.logger,
      (uids) => this.#wereMarked(uids),
      (condition) => this.#report("marks", condition),
    );
  }

  /** Selects the mailbox and begins to read. Rejects with a `BindingError`. */
  static async begin(
    mailbox: Mailbox,
    reading: Reading<typeof imapFields>,
  ): Promise<MailboxReader> {
    const { client } = mailbox.connection;
    const opened = await openMailbox(client, reading.metadata.mailbox);
    const reader = new MailboxReader(mailbox, reading, String(opened.uidValidity));
    client.on("exists", reader.#onExists);
    void reader.#run();
    return reader;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#returning) clearTimeout(timer);
    this.#wake();
  }

  /** Resolves once handled messages are marked, as far as that can be done now. */
  async flush(): Promise<void> {
    await this.#marks.flush();
  }

  async close(): Promise<void> {
    this.stop();
    this.#client.off("exists", this.#onExists);
    await this.flush();
    this.#marks.close();
    this.#connection.backlog = 0;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped) {
        const wanted = this.#wanted.promise;
        if (this.#isDue) await this.#checkSame();
        const uids = await this.#find();
        for (const [index, uid] of uids.entries()) {
          if (this.#stopped) return;
          this.#connection.backlog = uids.length - index + this.#held.size;
          await this.#handOver(uid);
        }
        this.#connection.backlog = this.#held.size;
        await this.#wait(wanted);
      }
    } catch (error) {
      if (!this.#stopped) this.#reading.lost(failureOf(error, "reading the mailbox"));
    }
  }

  /** A mailbox that was made anew numbers its messages anew, which the selected one need not show: it is selected again. */
  async #checkSame(): Promise<void> {
    this.#isDue = false;
    await this.#marks.without(async () => {
      const opened = await openMailbox(this.#client, this.#metadata.mailbox);
      if (String(opened.uidValidity) === this.#uidValidity) return;
      // They are of other messages.
      this.#marks.close();
      const text = `imap: the mailbox ${opened.path} was made anew; it is read from its first message`;
      throw new BindingError("aborted", text);
    });
  }

  /** The messages that are events and that nobody has yet, the oldest first. */
  async #find(): Promise<number[]> {
    const before = this.#marked;
    this.#marked = new Set();
    const found = await this.#client.search(this.#search, { uid: true });
    if (!Array.isArray(found))
      throw new BindingError(
        "failed_precondition",
        "imap: the server refuses to search the mailbox",
      );
    for (const uid of before) this.#held.delete(uid);
    this.#forgetLarge(new Set(found));
    return found
      .filter((uid) => !this.#held.has(uid) && !this.#tooLarge.has(uid))
      .sort((one, other) => one - other);
  }

  async #handOver(uid: number): Promise<void> {
    this.#held.add(uid);
    const query = { uid: true, size: true, flags: true, internalDate: true };
    const about = await this.#client.fetchOne(String(uid), query, { uid: true });
    // Deleted, or marked by somebody else.
    if (about === false || this.#isMarked(about)) return void this.#held.delete(uid);
    const { size = 0 } = about;
    const { maxMessageSize, format } = this.#metadata;
    const { memory } = this.#reading;
    const needed = format === "raw" ? size : copies * size;
    if (size > maxMessageSize || needed > memory.limit) return this.#leave(uid, size);
    const room = memory.open();
    while (!room.reserve(needed)) {
      await new Promise((resolve) => setTimeout(resolve, roomAfter));
      if (this.#stopped) return;
    }
    let event: InboundEvent | undefined;
    try {
      event = await this.#read(uid, about);
    } finally {
      // The runtime counts it from now on.
      room.release();
    }
    if (event === undefined || this.#stopped) return void this.#held.delete(uid);
    await this.#reading.deliver([event]);
  }

  async #read(uid: number, about: FetchMessageObject): Promise<InboundEvent | undefined> {
    const { mailbox, maxMessageSize, format } = this.#metadata;
    // The driver asks with BODY.PEEK, which marks nothing. A server that lies about the size gives no more.
    const query = { uid: true, source: { start: 0, maxLength: maxMessageSize + 1 } };
    const fetched = await this.#client.fetchOne(String(uid), query, { uid: true });
    const source = fetched === false ? undefined : fetched.source;
    if (source === undefined) return undefined;
    if (source.length > maxMessageSize) {
      this.#leave(uid, source.length);
      return undefined;
    }
    const parsed =
      format === "raw" ? { data: source, metadata: {} } : await parseMessage(this.#parser, source);
    const { internalDate } = about;
    return {
      data: parsed.data,
      metadata: {
        ...parsed.metadata,
        ...{ mailbox, uid: String(uid), uidValidity: this.#uidValidity },
        size: String(source.length),
        ...(internalDate instanceof Date ? { receivedAt: internalDate.toISOString() } : {}),
      },
      headers: headersOf(source),
      id: `${mailbox}:${this.#uidValidity}:${uid}`,
      settle: (settlement) => this.#settle(uid, settlement),
    };
  }

  #isMarked({ flags }: FetchMessageObject): boolean {
    const { onHandled, flag = "" } = this.#metadata;
    const mark = onHandled === "seen" ? "\\Seen" : onHandled === "flag" ? flag : "\\Deleted";
    return flags?.has(mark) === true;
  }

  #settle(uid: number, settlement: Settlement): void {
    if (settlement.outcome === "handled") return this.#marks.add(uid);
    const timer = setTimeout(
      () => {
        this.#returning.delete(timer);
        this.#held.delete(uid);
        this.#wake();
      },
      Math.min(settlement.after ?? tryAgainAfter, longestTimer),
    );
    this.#returning.add(timer);
    if (this.#stopped) clearTimeout(timer);
  }

  #wereMarked(uids: readonly number[]): void {
    for (const uid of uids) this.#marked.add(uid);
    this.#connection.backlog = Math.max(0, this.#connection.backlog - uids.length);
  }

  /** It stays in the mailbox as it is. */
  #leave(uid: number, size: number): void {
    this.#held.delete(uid);
    this.#tooLarge.add(uid);
    this.#reading.logger.warn(
      { uid: String(uid), size: `${size}B`, maxMessageSize: `${this.#metadata.maxMessageSize}B` },
      "a message is left as it is, it is larger than maxMessageSize or than the memory budget allows",
    );
    this.#reportLarge();
  }

  #forgetLarge(found: ReadonlySet<number>): void {
    const before = this.#tooLarge.size;
    for (const uid of this.#tooLarge) if (!found.has(uid)) this.#tooLarge.delete(uid);
    if (this.#tooLarge.size !== before) this.#reportLarge();
  }

  #reportLarge(): void {
    const count = this.#tooLarge.size;
    const messages = count === 1 ? "1 message is" : `${count} messages are`;
    this.#report("large", count === 0 ? "" : `${messages} left unread, larger than maxMessageSize`);
  }

  #report(what: "large" | "marks", condition: string): void {
    this.#conditions.set(what, condition);
    const all = [...this.#conditions.values()].filter((one) => one !== "");
    this.#reading.report?.(all.join("; "), false);
  }

  #wake(): void {
    this.#wanted.resolve();
  }

  /** Resolves when there may be something to read. Meanwhile the server tells of new messages, if it can. */
  async #wait(wanted: Promise<void>): Promise<void> {
    const { pollInterval, idle } = this.#metadata;
    const poll = (): void => {
      this.#isDue = true;
      this.#wake();
    };
    const timer = setTimeout(poll, Math.min(pollInterval, longestTimer));
    try {
      if (idle && this.#client.capabilities.has("IDLE")) await this.#idleUntil(wanted);
      await wanted;
    } finally {
      clearTimeout(timer);
      this.#wanted = Promise.withResolvers();
    }
  }

  async #idleUntil(wanted: Promise<void>): Promise<void> {
    let isOver = false;
    const over = wanted.then(() => (isOver = true));
    const pause = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, leastIdle));
    while (this.#client.usable) {
      // Any other command ends it.
      await Promise.race([over, this.#client.idle().catch(() => false)]);
      if (!isOver) await Promise.race([over, pause()]);
      if (isOver) return;
    }
  }
}

/** Selects it. Rejects with a `BindingError`, also where messages could not be marked. */
async function openMailbox(client: ImapFlow, path: string): Promise<MailboxObject> {
  const opened = await client.mailboxOpen(path).catch((error: unknown) => {
    throw failureOf(error, `cannot open the mailbox ${path}`);
  });
  if (opened.readOnly !== true) return opened;
  const text = `imap: the mailbox ${path} is read-only for this user; handled messages could not be marked`;
  throw new BindingError("permission_denied", text);
}

import type { ImapFlow } from "imapflow";
import type { Logger } from "../../binding.ts";
import { failureOf } from "./failures.ts";
import type { ImapMetadata } from "./fields.ts";

/** When to try again what the server refused, in milliseconds. */
const tryAgainAfter = 5_000;
/** The most messages that are marked by one command. */
const mostAtOnce = 200;

/** Sets flags on handled messages, or moves them, many by one command. */
export class Marks {
  readonly #client: ImapFlow;
  readonly #metadata: ImapMetadata;
  readonly #logger: Logger;
  readonly #marked: (uids: readonly number[]) => void;
  readonly #report: (condition: string) => void;
  readonly #waiting = new Set<number>();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #refused = false;
  #pause: Promise<void> | undefined;
  #closed = false;

  /** `marked` is told of messages that are marked; `report`, while the server refuses it. */
  constructor(
    client: ImapFlow,
    metadata: ImapMetadata,
    logger: Logger,
    marked: (uids: readonly number[]) => void,
    report: (condition: string) => void,
  ) {
    this.#client = client;
    this.#metadata = metadata;
    this.#logger = logger;
    this.#marked = marked;
    this.#report = report;
  }

  add(uid: number): void {
    this.#waiting.add(uid);
    this.#start();
  }

  /** Resolves once all that was added is marked, as far as that can be done now. */
  async flush(): Promise<void> {
    await this.#pause;
    this.#start();
    await this.#running;
  }

  /** Runs something during which nothing is marked. */
  async without(run: () => Promise<void>): Promise<void> {
    const pause = Promise.withResolvers<void>();
    this.#pause = pause.promise;
    try {
      await this.#running;
      await run();
    } finally {
      this.#pause = undefined;
      pause.resolve();
      this.#start();
    }
  }

  /** Nothing more is marked: what still comes may be of another mailbox. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #start(): void {
    if (this.#waiting.size === 0 || this.#pause !== undefined || this.#closed) return;
    clearTimeout(this.#timer);
    // What one turn settles goes out together.
    this.#running ??= new Promise<void>((resolve) => void setImmediate(resolve))
      .then(() => this.#run())
      .finally(() => {
        this.#running = undefined;
        if (this.#waiting.size > 0 && this.#client.usable && !this.#closed)
          this.#timer = setTimeout(() => this.#start(), tryAgainAfter);
      });
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0 && this.#pause === undefined) {
      const uids = [...this.#waiting].slice(0, mostAtOnce).sort((one, other) => one - other);
      if (!(await this.#mark(uids))) return await this.#failed(uids.length);
      for (const uid of uids) this.#waiting.delete(uid);
      this.#marked(uids);
    }
    if (!this.#refused) return;
    this.#refused = false;
    this.#report("");
  }

  async #mark(uids: readonly number[]): Promise<boolean> {
    const { onHandled, flag = "", moveTo = "" } = this.#metadata;
    const range = uids.join(",");
    const options = { uid: true };
    try {
      if (onHandled === "move")
        return Boolean(await this.#client.messageMove(range, moveTo, options));
      const mark = onHandled === "seen" ? "\\Seen" : flag;
      return await this.#client.messageFlagsAdd(range, [mark], { ...options, silent: true });
    } catch {
      // The connection has ended, and says so itself.
      return false;
    }
  }

  async #failed(messages: number): Promise<void> {
    if (!this.#client.usable || this.#refused) return;
    this.#refused = true;
    const missing = await this.#missing();
    const { onHandled, moveTo } = this.#metadata;
    const what = onHandled === "move" ? `moved to ${moveTo}` : "marked";
    const condition = `the server refuses that handled messages are ${what}${missing}; it is tried again`;
    this.#logger.warn({ messages }, condition);
    this.#report(condition);
  }

  /** The driver does not tell why a move was refused; mostly the mailbox is missing. */
  async #missing(): Promise<string> {
    const { onHandled, moveTo = "" } = this.#metadata;
    if (onHandled !== "move") return "";
    try {
      await this.#client.status(moveTo, { messages: true });
      return "";
    } catch (error) {
      return failureOf(error, "").systemCode === "NotFound" ? ", which does not exist" : "";
    }
  }
}

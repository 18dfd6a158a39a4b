import type { Worker } from "node:worker_threads";
import { BindingError, messageOf } from "../../errors.ts";
import type { Expired } from "./dead-letter-table.ts";
import type { EngineOptions } from "./engine.ts";
import type { Arguments, OperationName, Reply, Request, Result } from "./operations.ts";
import type { WorkerMessage } from "./store-worker.ts";

export type ThreadEvents = {
  notice(text: string): void;
  expired(expired: readonly Expired[]): void;
  /** Writing has begun to fail, or (`undefined`) works again. */
  trouble(trouble: string | undefined): void;
};

type Waiting = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: BindingError) => void;
};

/** What is asked is answered sooner, unless the disk or its file system hangs. Milliseconds. */
const longestSilence = 10_000;

/** After a thread has ended by itself, the next one starts no sooner, in milliseconds. */
const restartPause = 1000;

/**
 * The worker thread and what is asked of it. It starts at the first question; when it ends by itself, all who wait
 * get an error, and the next question starts another.
 */
export class StoreThread {
  readonly #options: EngineOptions;
  readonly #events: ThreadEvents;
  readonly #file: URL;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #number = 0;
  #outbox: Request[] = [];
  #transfer: ArrayBuffer[] = [];
  #sending: NodeJS.Immediate | undefined;
  #restartAt = 0;
  #closed: Promise<void> | undefined;
  #silence: NodeJS.Timeout | undefined;
  trouble: string | undefined;

  /** `file`: the worker's, for tests. */
  constructor(options: EngineOptions, events: ThreadEvents, file = workerFile()) {
    this.#options = options;
    this.#events = events;
    this.#file = file;
  }

  get running(): boolean {
    return this.#worker !== undefined;
  }

  /** `transfer`: buffers in the arguments that the other thread may have. Rejects with a `BindingError`. */
  ask<Name extends OperationName>(
    name: Name,
    args: Arguments<Name>,
    transfer: readonly (Uint8Array | undefined)[] = [],
  ): Promise<Result<Name>> {
    if (this.#closed !== undefined) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const number = ++this.#number;
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      for (const bytes of transfer) {
        if (bytes?.buffer instanceof ArrayBuffer) this.#transfer.push(bytes.buffer);
      }
      this.#send({ number, name, args });
    });
  }

  /** Like {@link ask}, but nobody waits for it. */
  tell<Name extends OperationName>(name: Name, args: Arguments<Name>): void {
    if (this.#closed === undefined) this.#send({ name, args });
  }

  /** Resolves when all that was asked before is answered and the files are closed. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined && this.#outbox.length === 0) return;
    clearImmediate(this.#sending);
    this.#post();
    await new Promise<void>((resolve) => {
      const running = this.#worker;
      if (running === undefined) return resolve();
      running.ref();
      running.once("exit", () => resolve());
      running.postMessage("close");
    });
  }

  /** What is asked in one turn leaves together. */
  #send(request: Request): void {
    this.#outbox.push(request);
    this.#sending ??= setImmediate(() => this.#post());
  }

  #post(): void {
    this.#sending = undefined;
    const requests = this.#outbox;
    const transfer = this.#transfer;
    this.#outbox = [];
    this.#transfer = [];
    if (requests.length === 0) return;
    if (this.#worker === undefined && Date.now() < this.#restartAt) {
      return this.#rejectAll(this.trouble ?? "");
    }
    try {
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#worker.postMessage(requests, transfer);
      this.#silence ??= setTimeout(() => this.#saySilent(), longestSilence).unref();
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  #start(): Worker {
    // Loaded here, as it costs 2 MiB. The process's own flags are not for threads; Node 22 calls its SQLite
    // experimental, on standard error.
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    const worker = new Worker(this.#file, {
      workerData: this.#options,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      name: "cufflink store",
    });
    let why = "it ended by itself";
    worker.on("error", (error: Error) => (why = error.message));
    worker.on("message", (message: WorkerMessage) => this.#receive(message));
    worker.once("exit", () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      if (this.#closed !== undefined) return this.#rejectAll("the store was closed");
      this.#failed(why);
    });
    worker.unref();
    return worker;
  }

  #failed(why: string): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    this.#restartAt = Date.now() + restartPause;
    const text = `the store's thread has failed (${why}); it starts again with the next record`;
    this.#setTrouble(text);
    this.#rejectAll(text);
  }

  #saySilent(): void {
    const { folder } = this.#options;
    this.#setTrouble(
      `the store in ${folder} does not answer: its disk or file system hangs, or is very slow; see the system's log, or say --state-dir for another folder`,
    );
  }

  #receive({ replies = [], notice, expired, trouble }: WorkerMessage): void {
    if (notice !== undefined) this.#events.notice(notice);
    if (expired !== undefined) this.#events.expired(expired);
    this.#setTrouble(trouble);
    for (const reply of replies) this.#answer(reply);
    clearTimeout(this.#silence);
    this.#silence =
      this.#waiting.size === 0
        ? undefined
        : setTimeout(() => this.#saySilent(), longestSilence).unref();
    // An idle store keeps no process alive.
    if (this.#waiting.size === 0 && this.#closed === undefined) this.#worker?.unref();
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting.get(reply.number);
    this.#waiting.delete(reply.number);
    if (waiting === undefined) return;
    if ("value" in reply) return waiting.resolve(reply.value);
    const { reason, effect, message, systemCode } = reply.failure;
    waiting.reject(new BindingError(reason, message, { effect, systemCode }));
  }

  #rejectAll(message: string): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) {
      reject(new BindingError("unavailable", message, { effect: "ambiguous" }));
    }
  }

  #setTrouble(trouble: string | undefined): void {
    if (this.trouble === trouble) return;
    this.trouble = trouble;
    this.#events.trouble(trouble);
  }
}

function closedError(): BindingError {
  return new BindingError("unavailable", "the store is closed", { effect: "unsent" });
}

/** Beside this file, in the sources as in what is built of them. */
function workerFile(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./store-worker.${extension}`, import.meta.url);
}

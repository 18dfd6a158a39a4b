import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { ParentApi, WorkerApi } from "./api.ts";
import { Peer, type Handlers } from "./peer.ts";

export type ThreadOptions = {
  readonly file: URL;
  /** What the worker is told at its start, beside its connection. */
  readonly data: object;
  readonly name: string;
  readonly handlers: Handlers<ParentApi>;
  /** Told once that it has ended, with why. */
  readonly onEnd: (why: string) => void;
};

/** The thread of one worker. */
export class WorkerThread {
  readonly peer: Peer<WorkerApi, ParentApi>;
  /** Carries the requests that the parent answers. */
  readonly upwards: MessagePort;
  /** Resolves once it can be asked; rejects where it has ended before. */
  readonly begun: Promise<void>;
  /** Whether it has begun. */
  isReady = false;
  readonly #worker: Worker;

  constructor({ file, data, name, handlers, onEnd }: ThreadOptions) {
    const { port1, port2 } = new MessageChannel();
    this.upwards = port1;
    this.#worker = new Worker(file, {
      workerData: { ...data, upwards: port2 },
      transferList: [port2],
      // The process's own flags are not for threads.
      execArgv: ["--disable-warning=ExperimentalWarning"],
      name,
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.begun = promise;
    promise.catch(() => undefined);
    this.peer = new Peer<WorkerApi, ParentApi>(this.#worker, {
      ...handlers,
      begun: () => this.#begin(resolve),
    });
    let why = "it ended by itself";
    this.#worker.on("error", (error: Error) => (why = error.message));
    this.#worker.once("exit", () => {
      const text = `${name} has ended: ${why}`;
      reject(new Error(text));
      this.peer.end(text);
      port1.close();
      onEnd(why);
    });
  }

  #begin(begun: () => void): void {
    this.isReady = true;
    begun();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

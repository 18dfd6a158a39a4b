import { availableParallelism } from "node:os";
import { extname } from "node:path";
import type { Worker } from "node:worker_threads";
import { BindingError, messageOf } from "../../errors.ts";
import { Slots } from "../../slots.ts";
import type { WasmModule } from "./engine.ts";
import type { Order, Report } from "./guest-worker.ts";
import type { Run } from "./wasi.ts";

export type RunnerOptions = {
  readonly module: WasmModule;
  readonly isStrict: boolean;
  readonly maxOutput: number;
  /** Up to 0: the number of processors. */
  readonly maxConcurrency: number;
  /** In milliseconds. */
  readonly timeout: number;
};

/** A thread is used again only if its guest has left no more behind than this, in bytes. */
const mostLeft = 32 * 1024 * 1024;
/** How long a thread without work is kept, in milliseconds. */
const longestIdle = 10_000;
/** In MiB: of what a thread has beside the guest's memory. */
const resourceLimits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };

/** Runs a guest in threads, so many at one time, each for so long at most. */
export class GuestRunner implements AsyncDisposable {
  readonly #options: RunnerOptions;
  readonly #slots: Slots;
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #busy = new Set<Worker>();
  #isClosed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { maxConcurrency } = options;
    this.#slots = new Slots(maxConcurrency > 0 ? maxConcurrency : availableParallelism());
  }

  /** Runs the guest once and resolves to what it wrote. Rejects with a `BindingError`. */
  async run(how: Pick<Run, "args" | "stdin">, signal: AbortSignal): Promise<Uint8Array> {
    try {
      await this.#slots.take(signal);
    } catch {
      throw new BindingError(
        "deadline_exceeded",
        "module closed with context canceled: other calls ran all the time (maxConcurrency)",
        { effect: "unsent" },
      );
    }
    try {
      const { module, isStrict, maxOutput } = this.#options;
      const report = await this.#inThread({ ...how, module, isStrict, maxOutput }, signal);
      if (report.kind === "done") return report.output;
      throw this.#failureOf(report);
    } finally {
      this.#slots.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#idle.keys(), ...this.#busy];
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    await Promise.all(all.map((worker) => worker.terminate()));
  }

  async #inThread(order: Order, signal: AbortSignal): Promise<Report> {
    if (this.#isClosed)
      throw new BindingError("unavailable", "the component was closed", { effect: "unsent" });
    const { timeout } = this.#options;
    const worker = this.#take();
    const ended = Promise.withResolvers<Report>();
    const late = (): void =>
      ended.reject(
        failure("deadline_exceeded", `module closed: it ran for ${timeout} ms (timeout)`),
      );
    const abort = (): void =>
      ended.reject(failure("deadline_exceeded", "module closed with context canceled"));
    const onMessage = (report: Report): void => ended.resolve(report);
    const onError = (error: Error): void => ended.reject(threadFailure(error));
    const onExit = (): void => ended.reject(failure("internal", "the guest's thread has ended"));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    signal.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(late, timeout);
    try {
      if (signal.aborted) abort();
      else worker.postMessage(order);
      const report = await ended.promise;
      if (report.memory <= mostLeft) this.#keep(worker);
      else await this.#end(worker);
      return report;
    } catch (error) {
      // Nothing else stops a guest in the middle of what it does.
      await this.#end(worker);
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
    }
  }

  #take(): Worker {
    const [idle] = this.#idle.keys();
    if (idle !== undefined) {
      clearTimeout(this.#idle.get(idle));
      this.#idle.delete(idle);
      this.#busy.add(idle);
      idle.ref();
      return idle;
    }
    // Loaded here, as it costs 2 MiB.
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    const worker = new Worker(
      new URL(`./guest-worker${extname(import.meta.filename)}`, import.meta.url),
      {
        ...{ resourceLimits, env: {}, execArgv: ["--disable-warning=ExperimentalWarning"] },
        ...{ name: "cufflink guest", stdin: false, stdout: false, stderr: false },
      },
    );
    // An error while it has no work ends it, and that is all.
    worker.on("error", () => undefined);
    worker.once("exit", () => {
      clearTimeout(this.#idle.get(worker));
      this.#idle.delete(worker);
      this.#busy.delete(worker);
    });
    this.#busy.add(worker);
    return worker;
  }

  #keep(worker: Worker): void {
    this.#busy.delete(worker);
    if (this.#isClosed) return void worker.terminate();
    const timer = setTimeout(() => void worker.terminate(), longestIdle).unref();
    this.#idle.set(worker, timer);
    // An idle thread keeps no process alive.
    worker.unref();
  }

  async #end(worker: Worker): Promise<void> {
    await worker.terminate();
    this.#busy.delete(worker);
  }

  #failureOf(report: Exclude<Report, { kind: "done" }>): BindingError {
    if (report.kind === "trap")
      return failure("failed_precondition", `wasm error: ${report.message}`);
    if (report.kind === "too much") {
      const { maxOutput } = this.#options;
      return failure(
        "resource_exhausted",
        `module closed: it wrote more than ${maxOutput} bytes (maxOutput)`,
      );
    }
    const { code } = report;
    return new BindingError("failed_precondition", `module closed with exit_code(${code})`, {
      systemCode: String(code),
    });
  }
}

/** A guest changes nothing outside of itself, so that its failures are never ambiguous. */
function failure(
  reason: "deadline_exceeded" | "failed_precondition" | "internal" | "resource_exhausted",
  message: string,
): BindingError {
  return new BindingError(reason, message);
}

function threadFailure(error: Error & { code?: string }): BindingError {
  return error.code === "ERR_WORKER_OUT_OF_MEMORY"
    ? failure("resource_exhausted", "module closed: its thread has used all memory that it may")
    : failure("internal", `the guest's thread has failed: ${messageOf(error)}`);
}

import type { Answer } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Reason } from "../../errors.ts";
import { assuredBytes, noRoom, type MemoryShare } from "../../memory/budget.ts";
import { ByteParts } from "../../memory/byte-parts.ts";
import { formatDuration } from "../../metadata/duration.ts";
import { Slots } from "../../slots.ts";
import { ProcessGroup } from "./process-group.ts";
import type { ExecMetadata, Program } from "./program.ts";

/** How much of the standard error is told, from its end, in bytes. */
const toldError = 4 * 1024;
/** How long the rest of the output may take once the program ended: who left its group may hold the pipe. Milliseconds. */
const lastOutput = 500;

/** Why a run was ended before its time. */
type Ended = { readonly reason: Reason; readonly text: string };

type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** Runs the program, once for each call. */
export class Runner implements AsyncDisposable {
  readonly #program: Program;
  readonly #metadata: ExecMetadata;
  readonly #memory: MemoryShare;
  readonly #slots: Slots;
  readonly #closing = new AbortController();
  readonly #runs = new Set<Promise<unknown>>();

  constructor(program: Program, metadata: ExecMetadata, memory: MemoryShare) {
    this.#program = program;
    this.#metadata = metadata;
    this.#memory = memory;
    this.#slots = new Slots(metadata.maxConcurrency);
  }

  /** Resolves with the standard output of a run that ended with exit code 0. Rejects with a `BindingError`. */
  async run(data: Uint8Array | undefined, caller: AbortSignal): Promise<Answer> {
    const signal = AbortSignal.any([caller, this.#closing.signal]);
    try {
      await this.#slots.take(signal);
    } catch (error) {
      throw endedBy(error, "before the program was started", "unsent");
    }
    const run = this.#start(data, signal);
    this.#runs.add(run);
    try {
      return await run;
    } finally {
      this.#runs.delete(run);
      this.#slots.release();
    }
  }

  /** Ends what runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the component is closed"));
    await Promise.allSettled(this.#runs);
  }

  async #start(data: Uint8Array | undefined, signal: AbortSignal): Promise<Answer> {
    const { timeout, killDelay, maxOutputSize } = this.#metadata;
    let group: ProcessGroup;
    try {
      group = new ProcessGroup(this.#program);
    } catch (error) {
      throw notStarted(error);
    }
    const { child } = group;
    const room = this.#memory.open(assuredBytes);
    const output = new ByteParts();
    let errors = Buffer.alloc(0);
    let ended: Ended | undefined;
    const end = (reason: Reason, text: string, delay: number = killDelay): void => {
      ended ??= { reason, text };
      if (delay === 0) group.kill();
      else group.end(delay);
    };
    const abort = (): void => {
      const isLate = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
      if (isLate) end("deadline_exceeded", "the deadline passed");
      else
        end(
          "cancelled",
          this.#closing.signal.aborted ? "the component was closed" : "the caller cancelled it",
        );
    };
    const timer = setTimeout(
      () => end("deadline_exceeded", `it took longer than ${formatDuration(timeout)} (timeout)`),
      timeout,
    );
    child.stdout?.on("data", (part: Buffer) => {
      if (ended !== undefined) return;
      if (output.size + part.length > maxOutputSize)
        end("resource_exhausted", `it wrote more than ${maxOutputSize} bytes (maxOutputSize)`, 0);
      else if (room.reserve(part.length)) output.add(part);
      else end("resource_exhausted", noRoom, 0);
    });
    child.stderr?.on("data", (part: Buffer) => {
      errors = Buffer.concat([errors, part]);
      if (errors.length > toldError) errors = Buffer.from(errors.subarray(-toldError));
    });
    // A program need not read what it is given.
    child.stdin?.on("error", () => undefined);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const exit = exitOf(child);
      child.stdin?.end(data ?? "");
      if (signal.aborted) abort();
      const { code, signal: killedBy } = await exit.ended;
      group.done();
      await Promise.race([exit.closed, delay(lastOutput)]);
      const stderr = errors.toString("utf8").toWellFormed().trim();
      if (ended !== undefined) throw endedEarly(ended, stderr);
      if (code === 0) return { data: output.whole(), metadata: { exitCode: "0" } };
      throw exitFailure({ code, signal: killedBy }, stderr);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      group.done();
      for (const stream of child.stdio) stream?.destroy();
      output.clear();
      room.release();
    }
  }
}

function exitOf(child: ProcessGroup["child"]): {
  readonly ended: Promise<Exit>;
  readonly closed: Promise<void>;
} {
  const ended = Promise.withResolvers<Exit>();
  const closed = Promise.withResolvers<void>();
  child.once("error", (error) => {
    // Also raised when a signal cannot be sent; only one that never started has no pid.
    if (child.pid === undefined) ended.reject(notStarted(error));
  });
  child.once("exit", (code, signal) => ended.resolve({ code, signal }));
  child.once("close", () => closed.resolve());
  return { ended: ended.promise, closed: closed.promise };
}

function exitFailure({ code, signal }: Exit, stderr: string): BindingError {
  if (code === null) {
    const text = `exec: the program was ended by ${signal}${said(stderr)}`;
    return new BindingError("internal", text, {
      effect: "ambiguous",
      systemCode: signal ?? undefined,
      metadata: { signal: signal ?? "", stderr },
    });
  }
  return new BindingError(
    "aborted",
    `exec: the program ended with exit code ${code}${said(stderr)}`,
    {
      effect: "rejected",
      systemCode: String(code),
      metadata: { exitCode: String(code), stderr },
    },
  );
}

function endedEarly({ reason, text }: Ended, stderr: string): BindingError {
  return new BindingError(reason, `exec: the program was ended: ${text}${said(stderr)}`, {
    effect: "ambiguous",
    metadata: { stderr },
  });
}

function said(stderr: string): string {
  return stderr === "" ? "" : `: ${stderr}`;
}

function notStarted(error: unknown): BindingError {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  const isBusy = code !== undefined && ["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"].includes(code);
  return new BindingError(
    isBusy ? "unavailable" : "failed_precondition",
    `exec: the program cannot be started: ${code ?? messageOf(error)}`,
    { effect: "unsent", systemCode: code },
  );
}

function endedBy(cause: unknown, when: string, effect: "unsent"): BindingError {
  const isLate = cause instanceof Error && cause.name === "TimeoutError";
  const [reason, why] = isLate
    ? (["deadline_exceeded", "the deadline passed"] as const)
    : (["cancelled", "the call was cancelled"] as const);
  return new BindingError(reason, `exec: ${why} ${when}`, { effect, cause });
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { messageOf } from "../errors.ts";
import type { AppOutput } from "./app-output.ts";
import { readLines } from "./lines.ts";

export type AppProcessOptions = {
  readonly command: string;
  readonly args: readonly string[];
  /** Set for it; `undefined`: taken away. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes a line of its output. */
  readonly output: AppOutput;
  /** Called when the command cannot be started. */
  readonly onFailedStart: (reason: string) => void;
};

/** What a shell would answer for a command that cannot be started. */
const notFound = 127;
/** How long an app that is told to end may take, in milliseconds. */
const killDelay = 5000;
/** A longer line of its output is printed as several, in bytes. */
const longestLine = 1024 * 1024;
/** How long the rest of its output may take once it ended: its own children may hold the pipe. */
const lastOutput = 500;

/** An app that runs beside the runtime, in a process group of its own, so that Ctrl-C reaches the runtime alone. */
export class AppProcess {
  /** Resolves to its exit code, by whatever means it ended; 128 and the signal's number for signals. Never rejects. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  #running = true;

  constructor({ command, args, env, output, onFailedStart }: AppProcessOptions) {
    this.#child = spawn(command, args, {
      detached: process.platform !== "win32",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    const { stdout, stderr } = this.#child;
    // What cannot be read any more is no more than that: how it ended is told all the same.
    const copied = Promise.allSettled([
      stdout && eachLine(stdout, (line) => output("stdout", line)),
      stderr && eachLine(stderr, (line) => output("stderr", line)),
    ]);
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#child.once("error", (error) => {
      // Also raised when a signal cannot be sent; only one that never started has no pid.
      if (this.#child.pid !== undefined) return;
      onFailedStart(whyNotStarted(error));
      resolve(notFound);
    });
    this.#child.once("exit", (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
    this.ended = promise.then(async (code) => {
      this.#running = false;
      await Promise.race([copied, delay(lastOutput)]);
      return code;
    });
    process.once("exit", this.kill);
  }

  /** Asks it to end, and makes it after 5 s. What it started is ended with it. */
  async stop(): Promise<void> {
    if (this.#running) {
      this.#signal("SIGTERM");
      const timer = setTimeout(this.kill, killDelay);
      await this.ended;
      clearTimeout(timer);
    }
    this.kill();
    process.off("exit", this.kill);
  }

  /** Ends it and what it started, at once. */
  readonly kill = (): void => this.#signal("SIGKILL");

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      if (process.platform === "win32") this.#child.kill(signal);
      else process.kill(-pid, signal);
    } catch {
      // Nobody of the group is left.
    }
  }
}

function whyNotStarted(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "there is no such program, here or in the folders of PATH";
  if (error.code === "EACCES") return "it is not executable";
  return messageOf(error);
}

async function eachLine(from: Readable, write: (line: string) => void): Promise<void> {
  for await (const { text } of readLines(from, longestLine)) write(text);
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

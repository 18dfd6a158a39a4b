import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export const root = resolve(import.meta.dirname, "../..");
const main = join(root, "src/main.ts");

export type CommandOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Default: Node with the sources. */
  readonly launcher?: readonly string[];
};

/** A command line that runs. It is killed after the test. */
export class Command {
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals>;
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], options: CommandOptions = {}) {
    // Its durable records are its own, and gone with it.
    const state = mkdtempSync(join(tmpdir(), "cufflink-state-"));
    const inherited = options.launcher === undefined ? process.env : {};
    const [file = "", ...first] = options.launcher ?? [process.execPath, main];
    this.child = spawn(file, [...first, ...args], {
      cwd: options.cwd ?? root,
      env: { ...inherited, XDG_STATE_HOME: state, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child
      .stdout!.setEncoding("utf8")
      .on("data", (chunk: string) => this.#read("stdout", chunk));
    this.child
      .stderr!.setEncoding("utf8")
      .on("data", (chunk: string) => this.#read("stderr", chunk));
    this.exited = once(this.child, "close").then(
      ([code, signal]: (number | NodeJS.Signals | null)[]) => code ?? signal ?? 0,
    );
    void this.exited.then(() => this.#wake());
    onTestFinished(async () => {
      this.child.kill("SIGKILL");
      await this.exited;
      rmSync(state, { recursive: true, force: true });
    });
  }

  /** Resolves to the match once standard output has it. Rejects when the process ends without. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended without printing ${pattern}:\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((wake) => this.#waiting.add(wake));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /**
   * Repeats the signal until standard output has the pattern. No longer: a process that is about to be gone
   * listens to none any more and would die of it.
   */
  async signalUntil(name: NodeJS.Signals, pattern: RegExp): Promise<void> {
    const again = setInterval(() => this.signal(name), 50);
    await this.printed(pattern).finally(() => clearInterval(again));
  }

  #read(stream: "stdout" | "stderr", chunk: string): void {
    this[stream] += chunk;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** Runs a command line to its end. */
export async function cufflink(
  args: readonly string[],
  options: CommandOptions & { readonly input?: string } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined).end(options.input ?? "");
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { code: child.exitCode, stdout, stderr };
}

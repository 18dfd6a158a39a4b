import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A call that a program makes through its SDK. */
export type Call = {
  readonly binding: string;
  readonly operation: string;
  /** A text, or what the SDK sends as JSON. */
  readonly data?: unknown;
  readonly metadata?: Readonly<Record<string, string>>;
};

/** What it answered, or how its SDK words the failure. */
export type Outcome = { readonly data?: string; readonly error?: string };

/** An event that an app was given. */
export type AppEvent = {
  readonly binding: string;
  readonly data: string;
  readonly refused: boolean;
};

/** A process of one of the programs; its lines that begin with `=` are what it has to say. */
export class Program<Said> implements AsyncDisposable {
  readonly said: Said[] = [];
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = "";
  #wake = (): void => {};

  constructor(
    [program, ...first]: readonly [string, ...string[]],
    rest: readonly string[],
    env: object,
  ) {
    this.#process = spawn(program, [...first, ...rest], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#exited = once(this.#process, "exit");
    const { stdout, stderr } = this.#process;
    if (stdout === null || stderr === null) throw new Error("the program has no output");
    stderr.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    createInterface({ input: stdout }).on("line", (line) => {
      if (line.startsWith("=")) this.said.push(JSON.parse(line.slice(1)) as Said);
      else this.#output += `${line}\n`;
      this.#wake();
    });
    void this.#exited.then(() => this.#wake());
  }

  /** All else that it printed. */
  get output(): string {
    return this.#output;
  }

  /** Gives it a line, and resolves to what it says then. */
  async ask(question: object): Promise<Said> {
    const before = this.said.length;
    const heard = new Promise<void>((resolve) => (this.#wake = resolve));
    this.#process.stdin?.write(`${JSON.stringify(question)}\n`);
    await heard;
    while (this.said.length === before) {
      if (this.#process.exitCode !== null)
        throw new Error(`the program ended with ${this.#process.exitCode}:\n${this.#output}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.said[before] as Said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) this.#process.kill("SIGKILL");
    await this.#exited;
  }
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { until } from "../until.ts";
import type { Asked, ManyTold, Told } from "./asked.ts";

/** What a program says without being asked. */
export type Said = { readonly event: string; readonly count?: number; readonly data?: string };

type Answer = { readonly id: number };
type Question = Omit<Asked, "id">;

/** A process of one of the peers' programs: a client or a server. */
export class Program implements AsyncDisposable {
  /** What it said by itself. */
  readonly said: Said[] = [];
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #next = 1;
  #output = "";

  constructor([program, ...args]: readonly [string, ...string[]], env: object = {}) {
    this.#process = spawn(program, args, { env: { ...process.env, ...env } });
    this.#exited = once(this.#process, "exit");
    const { stdout, stderr, stdin } = this.#process;
    if (stdout === null || stderr === null) throw new Error("the program has no output");
    stdin?.on("error", () => {});
    stderr.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    createInterface({ input: stdout }).on("line", (line) => this.#read(line));
    void this.#exited.then(() => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the program has ended:\n${this.#output}`));
    });
  }

  /** All else that it printed. */
  get output(): string {
    return this.#output;
  }

  call(question: Question & { readonly op: Exclude<Asked["op"], "many"> }): Promise<Told> {
    return this.#ask(question) as Promise<unknown> as Promise<Told>;
  }

  many(question: Omit<Question, "op"> & { readonly count: number }): Promise<ManyTold> {
    return this.#ask({ ...question, op: "many" }) as Promise<unknown> as Promise<ManyTold>;
  }

  /** Tells a server what to do. */
  tell(op: "release" | "shutdown"): void {
    this.#process.stdin?.write(`${JSON.stringify({ op })}\n`);
  }

  /** Waits until it has said so much. */
  async heard(what: string, wanted: (said: Said) => boolean, within = 30_000): Promise<void> {
    const said = (): string => `${what}; it said:\n${this.#output}${JSON.stringify(this.said)}`;
    await until(
      () => {
        if (this.said.some(wanted)) return true;
        if (this.#isGone) throw new Error(`the program ended before ${said()}`);
        return false;
      },
      { what: said, within },
    );
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  get ended(): Promise<unknown> {
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isGone) this.kill();
    await this.#exited;
  }

  get #isGone(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  #ask(question: Question): Promise<Answer> {
    if (this.#isGone) return Promise.reject(new Error(`the program has ended:\n${this.#output}`));
    const id = this.#next++;
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.set(id, answer);
    this.#process.stdin?.write(`${JSON.stringify({ ...question, id })}\n`);
    return answer.promise;
  }

  #read(line: string): void {
    if (!line.startsWith("=")) {
      this.#output += `${line}\n`;
      return;
    }
    const told = JSON.parse(line.slice(1)) as Said | Answer;
    if ("event" in told) {
      this.said.push(told);
      return;
    }
    this.#waiting.get(told.id)?.resolve(told);
    this.#waiting.delete(told.id);
  }
}

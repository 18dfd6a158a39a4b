import { type ChildProcess, spawn } from "node:child_process";
import { endWithUs } from "../children.ts";
import type { AppOrder, FromApp, ToApp } from "./report.ts";

const stalledAfter = 30_000;

type Kind = FromApp["kind"];

/** An app of the bench, or a floor in its place. */
export class AppProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #messages = new Map<Kind, FromApp>();
  readonly #ended: Promise<void>;
  #distinct = -1;
  #moved = performance.now();
  #failure: string | undefined;
  #changed = Promise.withResolvers<void>();

  /** `name`: for messages. The order goes behind the command, and `more` behind that. */
  constructor(
    name: string,
    before: readonly string[],
    order: AppOrder,
    more: readonly string[],
    pin: boolean,
  ) {
    const command = [...before, JSON.stringify(order), ...more];
    const [executable = "", ...rest] = pin ? ["taskset", "-c", "1", ...command] : command;
    this.#child = endWithUs(
      spawn(executable, rest, { stdio: ["ignore", "ignore", "pipe", "ipc"] }),
    );
    let errors = "";
    this.#child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    this.#child.on("message", (message: FromApp) => this.#take(message));
    this.#ended = new Promise((resolve) =>
      this.#child.once("close", () => {
        this.#fail(`${name} ended: ${errors}`);
        resolve();
      }),
    );
  }

  /** Tells whose processor time counts. */
  measure(runtime: number): void {
    this.#child.send({ runtime } satisfies ToApp);
  }

  /** The message of that kind, once it is there; rejects when no event has arrived for half a minute. */
  async message<K extends Kind>(kind: K, expected: number): Promise<Extract<FromApp, { kind: K }>> {
    this.#moved = performance.now();
    for (;;) {
      const message = this.#messages.get(kind);
      if (message !== undefined) return message as Extract<FromApp, { kind: K }>;
      if (this.#failure !== undefined) throw new Error(this.#failure);
      if (performance.now() - this.#moved > stalledAfter) {
        const arrived = Math.max(0, this.#distinct);
        throw new Error(
          `lost ${expected - arrived} of ${expected} events: none arrived for ${stalledAfter / 1000} s`,
        );
      }
      const timer = setTimeout(() => this.#wake(), 1000);
      await this.#changed.promise;
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #take(message: FromApp): void {
    this.#messages.set(message.kind, message);
    if (message.kind === "broken") this.#fail(message.reason);
    if (message.kind === "progress" && message.distinct !== this.#distinct) {
      this.#distinct = message.distinct;
      this.#moved = performance.now();
    }
    this.#wake();
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandAt, localPlace, type Place } from "../servers/place.ts";
import { spawnServer, type ServerProcess } from "../servers/server-process.ts";
import { until } from "../until.ts";
import { compileCache } from "./compile-cache.ts";
import type { Handled } from "./oracle.ts";
import { FileTail } from "./file-tail.ts";

/** How the app gets its events. */
export type AppMode = "grpc" | "http" | "stream";

/** One thing that the app did with an event. */
export type Record = Handled & {
  readonly what: "received" | "refused" | "handled";
  readonly binding: string;
};

/** The app under test: a process that can be killed, frozen and started again at the same address. */
export class AppProcess {
  readonly #folder: string;
  readonly #arguments: readonly string[];
  readonly #place: Place;
  readonly #records: Record[] = [];
  readonly #handled: Record[] = [];
  readonly #tail: FileTail;
  #process: ServerProcess | undefined;

  /** `place`: where it runs. Default: here. */
  constructor(options: {
    readonly mode: AppMode;
    readonly port: number;
    readonly folder: string;
    readonly bindings: string[];
    readonly place?: Place;
  }) {
    const { mode, port, folder, bindings, place = localPlace } = options;
    this.#folder = folder;
    this.#place = place;
    this.#tail = new FileTail(this.#file("app.jsonl"));
    const files = [this.#file("app.jsonl"), this.#file("hold")];
    const script = join(import.meta.dirname, "app.ts");
    this.#arguments = [script, mode, String(port), ...files, ...bindings];
  }

  get gone(): boolean {
    return this.#process?.gone ?? true;
  }

  /** How it ended, once it has. */
  get ended(): Promise<string> {
    return this.#process?.ended ?? Promise.resolve("was never started");
  }

  async start(): Promise<void> {
    const command = {
      ...commandAt(this.#place, process.execPath, this.#arguments),
      environment: { NODE_COMPILE_CACHE: compileCache },
    };
    const log = this.#file("app.log");
    writeFileSync(log, "");
    const started = await spawnServer(command, this.#folder, log);
    this.#process = started;
    const said = (): string => readFileSync(log, "utf8");
    await until(() => said().includes("started") || started.gone, {
      what: () => `the app to start:\n${said()}`,
      within: 120_000,
    });
    if (started.gone) throw new Error(`the app ${await started.ended}:\n${said()}`);
  }

  /** SIGKILL; resolves once it is gone. */
  async kill(): Promise<void> {
    this.#process?.signal("SIGKILL");
    await this.#process?.ended;
  }

  freeze(): void {
    this.#process?.signal("SIGSTOP");
  }

  thaw(): void {
    this.#process?.signal("SIGCONT");
  }

  /** From now on every event stays in its handler. */
  hold(): void {
    writeFileSync(this.#file("hold"), "");
  }

  letGo(): void {
    rmSync(this.#file("hold"), { force: true });
  }

  /** All it did so far, over all of its processes. */
  records(): readonly Record[] {
    for (const line of this.#tail.lines()) {
      const record = JSON.parse(line) as Record;
      this.#records.push(record);
      if (record.what === "handled") this.#handled.push(record);
    }
    return this.#records;
  }

  /** What of it was handled, as it stands now and later. */
  handled(): readonly Handled[] {
    this.records();
    return this.#handled;
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }
}

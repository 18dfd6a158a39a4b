import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createStore, type StoreOptions } from "../../src/store/open-store.ts";
import type { CheckedStore } from "../../src/store/store.ts";

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store that is closed after the test, and what it logged. */
export function openStore(options: StoreOptions): CheckedStore & { readonly log: string[] } {
  const log: string[] = [];
  const note = (level: string) => (_: object, message: string) => log.push(`${level}: ${message}`);
  const logger = { info: note("info"), warn: note("warn"), error: note("error") };
  const store = createStore({ logger, ...options });
  onTestFinished(() => store.close());
  // Its own `trouble` stays a getter.
  return Object.defineProperty(store, "log", { value: log }) as CheckedStore & { log: string[] };
}

export type WritingProcess = {
  readonly child: ChildProcess;
  /** The ids of those that it was told are safe. */
  stored(): string[];
  /** The messages of the others. */
  failed(): string[];
  /** Resolves once it has ended. */
  readonly ended: Promise<void>;
};

/** A process that stores dead letters in a folder until it is killed, at the latest after the test. */
export function startWriting(
  folder: string,
  options: { count?: number; shell?: string; uid?: number; flags?: readonly string[] } = {},
): WritingProcess {
  const program = [join(import.meta.dirname, "sqlite/writing-process.ts"), folder];
  if (options.count !== undefined) program.push(String(options.count));
  const command = [process.execPath, ...(options.flags ?? []), ...program];
  const [file = "", ...args] =
    options.shell === undefined
      ? command
      : ["sh", "-c", `${options.shell}; exec "$@"`, "sh", ...command];
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "inherit"],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const lines = (start: string): string[] =>
    output
      .split("\n")
      .slice(0, -1)
      .filter((line) => line.startsWith(start))
      .map((line) => line.slice(start.length));
  return { child, ended, stored: () => lines("stored "), failed: () => lines("failed ") };
}

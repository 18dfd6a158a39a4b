import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { endWithUs } from "../../bench/children.ts";
import type { ProducedEvent } from "./events.ts";

/** What the app is told. */
export type AppOrder = {
  readonly port: number;
  /** Where it notes each delivery before it answers. */
  readonly file: string;
  readonly bindings: readonly string[];
  /** The numbers of events that are refused the first time they come, also over restarts of the app. */
  readonly refuseOnce?: readonly number[];
  /** Every such event is refused whenever it comes: 1000 refuses the 1000th, the 2000th and so on. */
  readonly poisonEvery?: number;
  /** Milliseconds from its start until it answers which bindings it subscribes to. Default 0. */
  readonly subscriptionAfter?: number;
};

/** One delivery to the app, as it noted it. */
export type Delivery = ProducedEvent & {
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
  readonly verdict: "handled" | "refused";
  /** Which attempt the runtime said it was; 0: it said nothing. */
  readonly attempt: number;
};

/** A running app. */
export type App = AsyncDisposable & {
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
};

/** Starts the app and resolves once it listens. */
export async function startApp(order: AppOrder): Promise<App> {
  const program = join(import.meta.dirname, "journal-app.ts");
  const child = endWithUs(
    spawn(process.execPath, [program, JSON.stringify(order)], {
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("close", () => reject(new Error("the app ended at its start")));
  });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  return { kill, [Symbol.asyncDispose]: kill };
}

/** Everything that was delivered to the app so far, in order. */
export async function deliveries(file: string): Promise<readonly Delivery[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  // A line without its end is being written, or was when the app was killed.
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Delivery);
}

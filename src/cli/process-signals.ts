import { closeSync, openSync } from "node:fs";
import { messageOf } from "../errors.ts";
import type { Served } from "./serve.ts";

/** The exit code after an exception that belongs to no component. */
const stray = 70;
/** How long a closed process may take to go by itself, in milliseconds: a driver may keep a handle open. */
const lingering = 1000;
/** npm passes on the signal that the terminal has sent already: within this many milliseconds it is the same one. */
const echo = 250;

/**
 * Ends on SIGINT and SIGTERM (a second one: at once), reloads on SIGHUP, lets a driver's stray exception rebuild its
 * component, and resolves to the exit code.
 */
export async function untilSignalled(served: Served): Promise<number> {
  let last = Number.NEGATIVE_INFINITY;
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (now - last < echo) return;
    last = now;
    served.end(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  const ofTerminal = hasTerminal();
  process.on("SIGHUP", () => {
    if (ofTerminal && !hasTerminal()) return served.end("the terminal was closed");
    served.logger.info({}, "SIGHUP: reading the resources again");
    void served.reload().then(
      ({ revision, outcome }) => served.logger.info({ revision, outcome }, "resources were read"),
      (error: unknown) =>
        served.logger.error({ reason: messageOf(error) }, "the resources could not be read"),
    );
  });
  const onStray = (error: unknown): void => {
    if (served.runtime.blame(error)) return;
    const stack = error instanceof Error ? error.stack : undefined;
    served.logger.error(
      { reason: messageOf(error), stack },
      "a failure outside every component; shutting down",
    );
    served.end("an uncaught exception", stray);
  };
  process.on("uncaughtException", onStray);
  process.on("unhandledRejection", onStray);
  const code = await served.ended;
  setTimeout(() => process.exit(code), lingering).unref();
  return code;
}

/** Whether the process has a terminal: the one that it lost sends SIGHUP too. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

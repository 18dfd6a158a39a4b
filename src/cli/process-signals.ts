import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { messageOf } from "../errors.ts";
import { exitNow } from "./exit-now.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Served } from "./serve.ts";

/** A process that serves, as far as signals and failures concern it. */
export type Signalled = Pick<Served, "logger" | "ended" | "shuttingDown" | "end"> &
  Partial<Pick<Served, "reload">> & { readonly runtime: Pick<Runtime, "blame"> };

/** The exit code after an exception that belongs to no component. */
const stray = 70;
/** npm passes on the signal that the terminal has sent already: within this many milliseconds it is the same one. */
const echo = 250;

/** How long an app that is killed may take to be gone, in milliseconds. */
const killing = 1000;

/**
 * All that the system or a person may send so that a process ends, and that a process can take: by itself each but
 * SIGINT and SIGTERM would end it without the app having finished. SIGPROF is left to Node's profiler.
 */
const endSignals: readonly NodeJS.Signals[] = [
  ...(["SIGINT", "SIGTERM", "SIGQUIT", "SIGBREAK", "SIGPWR", "SIGXCPU"] as const),
  ...(["SIGALRM", "SIGVTALRM", "SIGIO", "SIGSTKFLT"] as const),
];
/** Without a meaning here. By themselves the one would open Node's inspector, the other end the process. */
const idleSignals = ["SIGUSR1", "SIGUSR2"] as const;

/**
 * Serves until it is shut down, and resolves to the exit code. SIGINT, SIGTERM and their like shut it down, a second
 * one ends the process at once, SIGHUP reloads, and a driver's stray exception rebuilds its component.
 */
export async function serveUntilSignalled(start: () => Promise<Signalled>): Promise<number> {
  const running: { served?: Signalled } = {};
  let last = Number.NEGATIVE_INFINITY;
  const onEnd = (signal: NodeJS.Signals, why: string = signal): void => {
    const now = performance.now();
    if (now - last < echo) return;
    last = now;
    const { served } = running;
    // Before anything runs there is nothing to shut down.
    if (served === undefined) return exitNow(128 + constants.signals[signal]);
    const again = served.shuttingDown();
    served.end(why);
    if (!again) return;
    void served.ended.then(exitNow);
    setTimeout(() => exitNow(1), killing);
  };
  for (const signal of endSignals)
    if (signal in constants.signals) process.on(signal, () => onEnd(signal));
  for (const signal of idleSignals) {
    process.on(signal, () =>
      running.served?.logger.warn({ signal }, "this signal has no meaning here, and is ignored"),
    );
  }
  const ofTerminal = hasTerminal();
  process.on("SIGHUP", () => {
    if (ofTerminal && !hasTerminal()) return onEnd("SIGHUP", "the terminal was closed");
    if (running.served !== undefined) readAgain(running.served);
  });
  const served = (running.served = await start());
  handleStrays(served);
  const code = await served.ended;
  // A shutdown that failed may have left something behind that Node's own exit would wait for.
  if (code !== 0) process.once("exit", () => exitNow(code));
  return code;
}

function readAgain({ logger, reload }: Signalled): void {
  if (reload === undefined)
    return logger.warn(
      { signal: "SIGHUP" },
      "there are no resources to be read, and it is ignored",
    );
  logger.info({}, "SIGHUP: reading the resources again");
  void reload().then(
    ({ revision, outcome }) => logger.info({ revision, outcome }, "resources were read"),
    (error: unknown) =>
      logger.error({ reason: messageOf(error) }, "the resources could not be read"),
  );
}

function handleStrays(served: Signalled): void {
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

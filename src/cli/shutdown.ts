import { formatDuration, longestTimer } from "../metadata/duration.ts";
import type { CombinedApp } from "../app/combined-app.ts";
import { messageOf } from "../errors.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { CufflinkServer } from "../server/server.ts";

export type ShutdownOptions = {
  readonly runtime: Pick<Runtime, "drain" | "close" | "components">;
  readonly app: Pick<CombinedApp, "available" | "onAvailability" | "close">;
  /** Whether there is an app that could go while the shutdown is blocked. */
  readonly hasApp: boolean;
  readonly server: CufflinkServer;
  readonly logger: RuntimeLogger;
  /** How long the app may finish what it has, in milliseconds. */
  readonly gracefulShutdown: number;
  /** How long the outputs go on working after the inputs ended, in milliseconds. */
  readonly blockShutdown: number;
  /** What is closed last, in this order. */
  readonly last: readonly (() => Promise<void> | void)[];
};

/** What may be left to do after the app's time is over, in milliseconds: to confirm and to close. */
const closing = 5_000;
/** How long calls that are under way may take once all else has ended, in milliseconds. */
const lastCalls = 2_000;

/**
 * Ends in order: no more events are read; the app finishes what it has, and may invoke outputs meanwhile; what
 * is settled is confirmed; outputs and servers close. Resolves to the exit code: 0, or 1 when the app did not
 * finish in time or something did not close.
 */
export async function shutDown(options: ShutdownOptions, exitCode: number): Promise<number> {
  const { runtime, logger, gracefulShutdown, blockShutdown } = options;
  const late = Promise.withResolvers<number>();
  const timer = setTimeout(
    () => {
      const open = runtime.components().map(({ name, state }) => `${name} (${state})`);
      logger.error({ components: open }, "the shutdown timed out; exiting now");
      late.resolve(exitCode || 1);
    },
    Math.min(blockShutdown + gracefulShutdown + closing, longestTimer),
  );
  const ended = (async () => {
    if (blockShutdown > 0) await blocked(options);
    return close(options, exitCode);
  })();
  try {
    return await Promise.race([ended, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function close(
  { runtime, app, server, logger, gracefulShutdown, last }: ShutdownOptions,
  exitCode: number,
): Promise<number> {
  let code = exitCode;
  const end = performance.now() + gracefulShutdown;
  try {
    const { abandoned } = await runtime.drain(gracefulShutdown);
    if (abandoned > 0) {
      logger.error(
        { events: abandoned },
        "the app did not finish in time; its unsettled events go back to their sources",
      );
      code ||= 1;
    }
    await runtime.close(Math.max(0, end - performance.now()));
    // First, for streams that the app has dialled are calls of the server.
    await app.close();
    await server.close(lastCalls);
  } catch (error) {
    logger.error(
      { reason: messageOf(error) },
      "the shutdown was incomplete; the process ends all the same",
    );
    code ||= 1;
  }
  for (const step of last) {
    try {
      await step();
    } catch (error) {
      logger.error(
        { reason: messageOf(error) },
        "the shutdown was incomplete; the process ends all the same",
      );
      code ||= 1;
    }
  }
  return code;
}

/** Inputs stop at once, outputs go on, until the time is over or the app goes. */
async function blocked({
  runtime,
  app,
  hasApp,
  logger,
  gracefulShutdown,
  blockShutdown,
}: ShutdownOptions): Promise<void> {
  void runtime.drain(blockShutdown + gracefulShutdown);
  logger.info(
    { for: formatDuration(blockShutdown) },
    "the shutdown waits (--dapr-block-shutdown-duration); outputs go on",
  );
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, Math.min(blockShutdown, longestTimer));
    const unsubscribe = app.onAvailability(check);
    function check(): void {
      if (hasApp && !app.available) done();
    }
    function done(): void {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    }
    check();
  });
}

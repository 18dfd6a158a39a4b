import { messageOf } from "../errors.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { problemRecord } from "../resources/problem.ts";
import { createLogger } from "../telemetry/logger.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import { BrokenConfiguration } from "./reloader.ts";
import type { ServeOptions } from "./serve-options.ts";
import { wantsColor } from "./terminal.ts";

type LogOptions = Pick<ServeOptions, "appId" | "logLevel" | "logAsJson">;

/** The log of a serving process, on standard output, or where that has other lines on standard error. */
export function createServeLogger(
  { appId, logLevel, logAsJson }: LogOptions,
  toErrors = false,
): RuntimeLogger {
  const stream = toErrors ? process.stderr : process.stdout;
  return createLogger({
    ...{ appId, level: logLevel, json: logAsJson },
    color: wantsColor(stream),
    date: !stream.isTTY,
    ...(toErrors && { destination: stream }),
  });
}

/** What starts. Where it cannot, and lines are JSON, the reason is one too. */
export async function started<Result>(
  options: LogOptions,
  starting: Promise<Result>,
): Promise<Result> {
  try {
    return await starting;
  } catch (error) {
    if (!options.logAsJson) throw error;
    logFailure(options, error);
    throw new ExitCode(exitCodeOf(error));
  }
}

function logFailure({ appId }: LogOptions, error: unknown): void {
  const logger = createLogger({ level: "error", json: true, appId });
  if (error instanceof BrokenConfiguration) {
    for (const problem of error.problems) {
      const { fields, message } = problemRecord(problem);
      logger.error(fields, message);
    }
  } else {
    logger.error({ reason: messageOf(error) }, "cufflink could not be started");
  }
}

import { pino, type DestinationStream } from "pino";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { readableLine } from "./readable-log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

export type LoggerOptions = {
  readonly level: LogLevel;
  /** `--log-as-json`. Off: lines for people. */
  readonly json: boolean;
  readonly appId: string;
  /** Default: standard output. */
  readonly destination?: DestinationStream;
  /** Colour the lines for people. */
  readonly color?: boolean;
};

/** The process's logger; components get children of it. */
export function createLogger(options: LoggerOptions): RuntimeLogger {
  const out = options.destination ?? standardOutput();
  return pino(
    {
      level: options.level,
      base: { app_id: options.appId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: "msg",
    },
    options.json ? out : readable(out, options.color ?? false),
  );
}

/** Turns pino's JSON lines into lines for people. */
function readable(out: DestinationStream, color: boolean): DestinationStream {
  return { write: (line) => out.write(readableLine(line, color)) };
}

function standardOutput(): DestinationStream {
  const out = pino.destination({ dest: 1, sync: true });
  // Whoever read the lines went away; that is no reason to stop serving.
  out.on("error", () => undefined);
  return out;
}

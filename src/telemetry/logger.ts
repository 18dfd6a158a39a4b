import { pino, type DestinationStream } from "pino";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { readableLine, type ReadableStyle } from "./readable-log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

export type LoggerOptions = {
  readonly level: LogLevel;
  /** `--log-as-json`. Off: lines for people. */
  readonly json: boolean;
  readonly appId: string;
  /** Default: standard output. */
  readonly destination?: DestinationStream;
  /** Colour the lines for people. Default: no. */
  readonly color?: boolean;
  /** Have the day in the lines for people. Default: yes. */
  readonly date?: boolean;
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
    options.json
      ? out
      : readable(out, { color: options.color ?? false, date: options.date ?? true }),
  );
}

/** Turns pino's JSON lines into lines for people. */
function readable(out: DestinationStream, style: ReadableStyle): DestinationStream {
  return { write: (line) => out.write(readableLine(line, style)) };
}

let shared: DestinationStream | undefined;

/**
 * Standard output for whole lines. Who else prints lines there uses it too: two writers would cut each other's
 * lines where the reader is slow.
 */
export function standardOutput(): DestinationStream {
  if (shared !== undefined) return shared;
  const out = pino.destination({ dest: 1, sync: true });
  // Whoever read the lines went away; that is no reason to stop serving.
  out.on("error", () => undefined);
  return (shared = out);
}

import { Writable } from "node:stream";
import { pino, type DestinationStream } from "pino";
import type { RuntimeLogger } from "../runtime/runtime.ts";

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
  const out = options.destination ?? pino.destination({ dest: 1, sync: true });
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

const colors: Readonly<Record<string, string>> = { debug: "\u001B[90m", info: "\u001B[36m", warn: "\u001B[33m", error: "\u001B[31m", fatal: "\u001B[31m" };

/** Turns pino's JSON lines into lines for people: time, level, message, facts. */
function readable(out: DestinationStream, color: boolean): DestinationStream {
  return new Writable({
    decodeStrings: false,
    write(line: string, _, done) {
      out.write(`${readableLine(line, color)}\n`);
      done();
    },
  });
}

function readableLine(line: string, color: boolean): string {
  const entry: Record<string, unknown> = JSON.parse(line);
  const { time, level, msg, app_id: _, ...facts } = entry;
  const name = String(level);
  const label = name.toUpperCase().padEnd(5);
  const shown = Object.entries(facts).map(([key, value]) => `${key}=${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`);
  const parts = [String(time).slice(11, 23), color ? `${colors[name] ?? ""}${label}\u001B[0m` : label, String(msg ?? ""), ...shown];
  return parts.join(" ");
}

function quoted(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

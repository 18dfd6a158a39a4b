import { styleText } from "node:util";
import type { ServeOptions } from "./serve-options.ts";
import { standardOutput } from "../telemetry/logger.ts";
import { wantsColor } from "./terminal.ts";

/** Where lines of standard output go. */
export type LineOutput = { write(line: string): unknown };

/** Takes a line of the app's output, without its end. */
export type AppOutput = (stream: "stdout" | "stderr", line: string) => void;

/**
 * Where the lines of an app go that runs beside the runtime: to the same streams, behind `app |`; with
 * `--log-as-json` all to standard output, each wrapped in a line of JSON. `out`: takes the place of standard output.
 */
export function createAppOutput(
  { appId, logAsJson }: Pick<ServeOptions, "appId" | "logAsJson">,
  out: LineOutput = standardOutput(),
): AppOutput {
  if (logAsJson) return (stream, line) => out.write(`${wrapped(appId, stream, line)}\n`);
  const title = "app |";
  const prefix = wantsColor(process.stdout)
    ? styleText("cyan", title, { validateStream: false })
    : title;
  return (stream, line) => {
    (stream === "stdout" ? out : process.stderr).write(`${prefix} ${line}\n`);
  };
}

/** The line as `msg`; one that is a JSON object itself as `record`, in the very words of the app. */
function wrapped(appId: string, stream: "stdout" | "stderr", line: string): string {
  const about = { level: "info", time: new Date().toISOString(), app_id: appId, stream };
  if (!isJsonObject(line)) return JSON.stringify({ ...about, msg: line });
  // Not written anew: numbers may have more digits than are kept here.
  return `${JSON.stringify(about).slice(0, -1)},"record":${line.trim()}}`;
}

function isJsonObject(line: string): boolean {
  if (!line.trimStart().startsWith("{")) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

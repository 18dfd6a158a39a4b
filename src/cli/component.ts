import type { Command } from "commander";
import type { LogLevel } from "../telemetry/logger.ts";
import { defaultMemoryBudget } from "../memory/budget.ts";
import { parseBoolean } from "../metadata/boolean.ts";
import { parseByteSize } from "../metadata/byte-size.ts";
import { parseDuration } from "../metadata/duration.ts";
import { addCallerOptions, readCallerOptions, type CallerOptions } from "./caller-options.ts";
import { logLevels } from "./serve-options.ts";
import { UsageError } from "./usage-error.ts";

/** What `cufflink component` is told. */
export type ComponentOptions = {
  /** Without `bindings.`, in lower case. */
  readonly types: readonly string[];
  /** `undefined`: what the environment names, else daprd's. */
  readonly socketFolder: string | undefined;
  readonly socketMode: number;
  readonly appId: string;
  readonly stateDir: string | undefined;
  readonly driversFolder: string | undefined;
  readonly allowExec: boolean;
  readonly callers: CallerOptions;
  readonly maxBodySize: number;
  readonly memoryBudget: number;
  readonly logLevel: LogLevel;
  readonly logAsJson: boolean;
  /** Milliseconds. */
  readonly gracefulShutdown: number;
};

type Flags = {
  type: string[];
  socketFolder?: string;
  socketMode: string;
  appId: string;
  stateDir?: string;
  drivers?: string;
  allowExec?: string | true;
  allowOrigin: string[];
  allowedHosts: string;
  maxBodySize: string;
  memoryBudget?: string;
  logLevel: string;
  logAsJson?: string | true;
  daprGracefulShutdownSeconds: string;
};

/** `cufflink component`: serves binding types to a daprd. */
export function addComponentCommand(program: Command, setExitCode: (code: number) => void): void {
  const command = program
    .command("component")
    .description("serve binding types to a daprd, as pluggable components")
    .option(
      "--type <type>",
      "the type to serve, by the socket TYPE.sock; may be repeated",
      (value: string, before: string[]) => [...before, value],
      [],
    )
    .option(
      "--socket-folder <folder>",
      "where the sockets are; default $DAPR_COMPONENTS_SOCKETS_FOLDER, else /tmp/dapr-components-sockets",
    )
    .option("--socket-mode <mode>", "the permissions of the sockets, octal", "600")
    .option(
      "--app-id <id>",
      "the id of daprd's app, which daprd does not tell; client ids and group names use it",
      process.env["APP_ID"] ?? "cufflink",
    )
    .option(
      "--state-dir <folder>",
      "where durable records are kept; default $XDG_STATE_HOME, else ~/.local/state",
    )
    .option("--drivers <folder>", "where drivers are looked for after the working directory")
    .option("--allow-exec [bool]", "let components of the type exec run programs of this machine")
    .option("--max-body-size <size>", "the largest call and answer", "4Mi");
  addCallerOptions(command)
    .option(
      "--memory-budget <size>",
      "the most that calls, events and answers take together; default 256Mi, or four times --max-body-size",
    )
    .option("--log-level <level>", logLevels.join(", "), "info")
    .option("--log-as-json [bool]", "log lines for machines")
    .option(
      "--dapr-graceful-shutdown-seconds <seconds>",
      "how long daprd may acknowledge what it has",
      "5",
    )
    .addHelpText(
      "after",
      `
daprd then has the type bindings.TYPE, in place of its own where it has one. Start it after the sockets are there.

Example:
  cufflink component --type nats --type sse
`,
    )
    .action(async () => {
      const options = readComponentOptions(command.opts<Flags>());
      const { serveComponents } = await import("./serve-components.ts");
      const { serveUntilSignalled } = await import("./process-signals.ts");
      const { started } = await import("./serve-log.ts");
      setExitCode(await serveUntilSignalled(() => started(options, serveComponents(options))));
    });
}

function readComponentOptions(flags: Flags): ComponentOptions {
  const problems: string[] = [];
  const check = <T>(value: T | undefined, problem: string, otherwise: T): T => {
    if (value === undefined) problems.push(problem);
    return value ?? otherwise;
  };
  const size = (flag: string, text: string): number => {
    const value = parseByteSize(text);
    const problem = `--${flag} ${JSON.stringify(text)} is not a size above 0, such as "4Mi"`;
    return check(value !== undefined && value >= 1 ? value : undefined, problem, 1);
  };
  const on = (flag: string, text: string | true | undefined): boolean => {
    if (text === undefined || text === true) return text === true;
    return check(
      parseBoolean(text),
      `--${flag} ${JSON.stringify(text)} is neither true nor false`,
      false,
    );
  };
  const types = flags.type.map((type) => type.toLowerCase().replace(/^bindings\./, ""));
  if (types.length === 0)
    problems.push("say at least one --type, as --type aws.sqs; see cufflink types");
  const maxBodySize = size("max-body-size", flags.maxBodySize);
  const callers = readCallerOptions(flags, problems);
  const mode = /^0?[0-7]{3}$/.test(flags.socketMode) ? parseInt(flags.socketMode, 8) : undefined;
  const options: ComponentOptions = {
    types: [...new Set(types)],
    socketFolder: flags.socketFolder,
    socketMode: check(
      mode,
      `--socket-mode ${JSON.stringify(flags.socketMode)} is no mode such as 600 or 660`,
      0o600,
    ),
    appId: flags.appId,
    stateDir: flags.stateDir,
    driversFolder: flags.drivers,
    allowExec: on("allow-exec", flags.allowExec),
    callers,
    maxBodySize,
    memoryBudget:
      flags.memoryBudget === undefined
        ? Math.max(defaultMemoryBudget, 4 * maxBodySize)
        : size("memory-budget", flags.memoryBudget),
    logLevel: check(
      logLevels.find((level) => level === flags.logLevel.toLowerCase()),
      `--log-level ${JSON.stringify(flags.logLevel)} is none of ${logLevels.join(", ")}`,
      "info",
    ),
    logAsJson: on("log-as-json", flags.logAsJson),
    gracefulShutdown: check(
      parseDuration(flags.daprGracefulShutdownSeconds, 1000),
      `--dapr-graceful-shutdown-seconds ${JSON.stringify(flags.daprGracefulShutdownSeconds)} is not a duration such as "5s"`,
      5000,
    ),
  };
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return options;
}

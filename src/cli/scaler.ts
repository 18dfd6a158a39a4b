import type { Command } from "commander";
import { parseBoolean } from "../metadata/boolean.ts";
import { readDuration } from "./client-options.ts";
import { addModeOptions, readMode, type KubernetesMode } from "./mode-options.ts";
import { addBindingsOption } from "./own-bindings.ts";
import { logLevels } from "./serve-options.ts";
import { UsageError } from "./usage-error.ts";

/** What `cufflink scaler` is told. Times are in milliseconds. */
export type ScalerFlags = {
  readonly appId: string;
  readonly port: number;
  readonly listenAddresses: readonly string[];
  readonly resourcesPaths: readonly string[];
  readonly configPaths: readonly string[];
  readonly kubernetes: KubernetesMode | undefined;
  readonly bindings: readonly string[];
  readonly driversFolder: string | undefined;
  readonly allowExec: boolean;
  readonly timeout: number;
  readonly maxAge: number;
  readonly interval: number;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsKeyPassphraseFile: string | undefined;
  readonly logLevel: (typeof logLevels)[number];
  readonly logAsJson: boolean;
};

/** `cufflink scaler`: tells KEDA how many events wait, for apps that may have no replica at all. */
export function addScalerCommand(program: Command, setExitCode: (code: number) => void): void {
  const collect = (value: string, before: readonly string[]): string[] => [...before, value];
  const command = program
    .command("scaler")
    .description("tell KEDA how many events wait at the sources of components")
    .option("--app-id <id>", "the app whose components they are", process.env["APP_ID"])
    .option("--port <port>", "gRPC", "9191")
    .option(
      "--listen-addresses <hosts>",
      "what the port listens on, separated by commas",
      "127.0.0.1,[::1]",
    )
    .option("--resources-path <path>", "component YAML; may be repeated", collect, [])
    .option("--config <file>", "a file with a Configuration; may be repeated", collect, [])
    .option("--drivers <folder>", "where drivers are looked for after the working directory")
    .option("--allow-exec", "components may run programs of this machine")
    .option("--timeout <duration>", "how long a source may take to answer", "5s")
    .option("--max-age <duration>", "how long an answer counts for those who ask after", "3s")
    .option("--interval <duration>", "how often triggers external-push are looked at", "5s")
    .option("--tls-cert <file>", "PEM certificate chain: the port speaks TLS")
    .option("--tls-key <file>", "PEM key of that certificate")
    .option("--tls-key-passphrase-file <file>", "a file with the passphrase of that key")
    .option("--log-level <level>", logLevels.join(", "), "info")
    .option("--log-as-json [bool]", "log lines for machines");
  addModeOptions(addBindingsOption(command));
  command
    .addHelpText(
      "after",
      `
It reads no event, joins no consumer group and changes nothing. Triggers name a component, and may say backlogPerReplica
(10), activationBacklog (0) and namespace. GET /livez and /readyz are for probes.

Examples:
  cufflink scaler --app-id shop --resources-path ./components
  cufflink scaler --app-id shop --mode kubernetes --listen-addresses 0.0.0.0
`,
    )
    .action(async () => {
      const flags = readFlags(command);
      const { runScaler } = await import("./run-scaler.ts");
      const { started } = await import("./serve-log.ts");
      setExitCode(await started(flags, runScaler(flags)));
    });
}

function readFlags(command: Command): ScalerFlags {
  const flags = command.opts<{
    appId?: string;
    port: string;
    listenAddresses: string;
    resourcesPath: string[];
    bindings: string[];
    drivers?: string;
    allowExec?: true;
    timeout: string;
    maxAge: string;
    interval: string;
    tlsCert?: string;
    tlsKey?: string;
    tlsKeyPassphraseFile?: string;
    logLevel: string;
    logAsJson?: string | boolean;
  }>();
  const problems: string[] = [];
  const mode = readMode(command, problems);
  const { appId, tlsCert, tlsKey, tlsKeyPassphraseFile } = flags;
  if (!appId)
    problems.push(
      "--app-id is missing: groups and scopes depend on it; say the app's, as in serve",
    );
  if (!/^\d+$/.test(flags.port) || Number(flags.port) > 65_535)
    problems.push(`--port ${JSON.stringify(flags.port)} is not a port: a number up to 65535`);
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    problems.push("--tls-cert and --tls-key go together; say both or neither");
  if (tlsKeyPassphraseFile !== undefined && tlsKey === undefined)
    problems.push("--tls-key-passphrase-file is for the key of --tls-key");
  const logLevel = logLevels.find((one) => one === flags.logLevel);
  if (logLevel === undefined)
    problems.push(`--log-level ${flags.logLevel} is none of ${logLevels.join(", ")}`);
  if (mode.kubernetes === undefined && flags.resourcesPath.length === 0)
    problems.push(
      "--resources-path is missing: say where the components are, or --mode kubernetes",
    );
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return {
    ...{ appId: appId ?? "", port: Number(flags.port), logLevel: logLevel ?? "info" },
    listenAddresses: flags.listenAddresses
      .split(",")
      .map((host) => host.trim().replace(/^\[(.*)\]$/, "$1"))
      .filter((host) => host !== ""),
    resourcesPaths: mode.kubernetes === undefined ? flags.resourcesPath : [],
    configPaths: mode.kubernetes === undefined ? mode.configs : [],
    kubernetes: mode.kubernetes,
    ...{ bindings: flags.bindings, driversFolder: flags.drivers },
    allowExec: flags.allowExec === true,
    timeout: readDuration("--timeout", flags.timeout),
    maxAge: readDuration("--max-age", flags.maxAge),
    interval: readDuration("--interval", flags.interval),
    ...{ tlsCert, tlsKey, tlsKeyPassphraseFile },
    logAsJson: flags.logAsJson !== undefined && parseBoolean(String(flags.logAsJson)) === true,
  };
}

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import { defaultEndpoint, endpointForms, formatAddress, parseEndpoint } from "../grpc/endpoint.ts";
import type { LogLevel } from "../telemetry/logger.ts";
import type { TlsFiles } from "../server/tls-files.ts";
import { readCallerOptions } from "./caller-options.ts";
import { addTlsOptions, readTlsOptions } from "./tls-options.ts";
import { addConsoleOptions, readConsoleOptions, type ConsolePlace } from "./console-options.ts";
import { readAuthority } from "./client-options.ts";
import { logLevels } from "./serve-options.ts";
import { UsageError } from "./usage-error.ts";

/** What `cufflink console` is told. */
export type ConsoleCommandOptions = {
  readonly place: ConsolePlace;
  /** With them the console speaks TLS. */
  readonly tls: TlsFiles | undefined;
  readonly daemons: readonly {
    readonly name: string;
    readonly endpoint: NonNullable<ReturnType<typeof parseEndpoint>>;
    readonly token: string | undefined;
  }[];
  /** PEM. */
  readonly ca: string | undefined;
  readonly insecure: boolean;
  readonly allowedHosts: readonly string[];
  readonly logLevel: LogLevel;
  readonly logAsJson: boolean;
};

type Flags = {
  address: string[];
  name: string[];
  tokenFile: string[];
  consolePort: string;
  consoleListenAddress: string;
  ca?: string;
  insecure?: true;
  allowedHosts: string;
  tlsCert?: string;
  tlsKey?: string;
  tlsKeyPassphraseFile?: string;
  logLevel: string;
  logAsJson?: true;
};

/** `cufflink console`: the web console of daemons that run elsewhere. */
export function addConsoleCommand(program: Command, setExitCode: (code: number) => void): void {
  const command = program
    .command("console")
    .description("serve the web console for daemons that run, on this machine or others")
    .option(
      "--address <address>",
      `a daemon's port or socket: ${endpointForms}; may be repeated`,
      collect,
      [],
    )
    .option(
      "--name <name>",
      "what the daemon of the same place is called; may be repeated",
      collect,
      [],
    )
    .option(
      "--token-file <file>",
      "a file with the DAPR_API_TOKEN of the daemon of the same place; may be repeated",
      collect,
      [],
    )
    .option("--ca <file>", "speak TLS to the daemons, and trust this authority (PEM)")
    .option("--insecure", "speak TLS to the daemons, and trust whatever certificate they show");
  addTlsOptions(addConsoleOptions(command, "0"), "the console speaks TLS")
    .option(
      "--allowed-hosts <hosts>",
      "names of this machine beside localhost, separated by commas; * for any",
      "",
    )
    .option("--log-level <level>", logLevels.join(", "), "info")
    .option("--log-as-json", "log lines for machines")
    .addHelpText(
      "after",
      `
The token is printed once, in a link. To keep one over restarts put it into CUFFLINK_CONSOLE_TOKEN, and one that may only
look into CUFFLINK_CONSOLE_READ_ONLY_TOKEN. DAPR_API_TOKEN is the token of each daemon without a --token-file.

Examples:
  cufflink console
  cufflink console --address 10.0.0.5:50001 --name shop --address https://10.0.0.6:50001 --name billing
`,
    )
    .action(async () => {
      const options = await readOptions(command.opts<Flags>());
      const { runConsole } = await import("./run-console.ts");
      const { serveUntilSignalled } = await import("./process-signals.ts");
      const { started } = await import("./serve-log.ts");
      const log = { ...options, appId: "console" };
      setExitCode(await serveUntilSignalled(() => started(log, runConsole(options))));
    });
}

async function readOptions(flags: Flags): Promise<ConsoleCommandOptions> {
  const problems: string[] = [];
  const place = readConsoleOptions(flags, problems) ?? { port: 0, host: "127.0.0.1" };
  const tls = readTlsOptions(flags, problems);
  const addresses = flags.address.length > 0 ? flags.address : [defaultEndpoint(process.env)];
  for (const [flag, values] of [
    ["--name", flags.name],
    ["--token-file", flags.tokenFile],
  ] as const)
    if (values.length > addresses.length)
      problems.push(`${flag} is given more often than --address; each belongs to one`);
  if (flags.ca !== undefined && flags.insecure)
    problems.push("--ca and --insecure contradict each other; say one of them");
  const logLevel = logLevels.find((level) => level === flags.logLevel.toLowerCase());
  if (logLevel === undefined)
    problems.push(
      `--log-level ${JSON.stringify(flags.logLevel)} is none of ${logLevels.join(", ")}`,
    );
  const daemons = await Promise.all(
    addresses.map(async (address, index) => {
      const endpoint = parseEndpoint(address, flags.ca !== undefined || flags.insecure);
      if (endpoint === undefined) {
        problems.push(`--address ${JSON.stringify(address)} is not ${endpointForms}`);
        return [];
      }
      const token = await tokenOf(flags.tokenFile[index]);
      return [{ name: flags.name[index] ?? formatAddress(endpoint), endpoint, token }];
    }),
  );
  const { allowedHosts } = readCallerOptions({ allowedHosts: flags.allowedHosts }, problems);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return {
    ...{ place, tls, daemons: daemons.flat() },
    ca: flags.ca === undefined ? undefined : await readAuthority(flags.ca),
    insecure: flags.insecure === true,
    allowedHosts,
    logLevel: logLevel ?? "info",
    logAsJson: flags.logAsJson === true,
  };
}

async function tokenOf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env["DAPR_API_TOKEN"] || undefined;
  try {
    return (await readFile(file, "utf8")).trim() || undefined;
  } catch (error) {
    throw new UsageError(`--token-file cannot be read: ${messageOf(error)}`);
  }
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { appProtocols, type AppProtocol } from "../app/app-protocol.ts";
import { defaultMemoryBudget } from "../memory/budget.ts";
import { parseByteSize } from "../metadata/byte-size.ts";
import { parseBoolean } from "../metadata/boolean.ts";
import { parseDuration } from "../metadata/duration.ts";
import type { Retention } from "../store/store.ts";
import type { LogLevel } from "../telemetry/logger.ts";
import { addConsoleOptions, readConsoleOptions, type ConsolePlace } from "./console-options.ts";
import { addModeOptions, readMode, type KubernetesMode } from "./mode-options.ts";
import { addCallerOptions, readCallerOptions, type CallerOptions } from "./caller-options.ts";
import { addTlsOptions, readTlsOptions } from "./tls-options.ts";
import type { TlsFiles } from "../server/tls-files.ts";
import { otherFlags } from "./other-flags.ts";
import { addBindingsOption } from "./own-bindings.ts";
import { portConflicts } from "./port-conflicts.ts";
import { addStoreOptions, readStoreOptions, type SharedStorePlace } from "./store-options.ts";
import { addFleetOptions, readReplicaId, type FleetOptions } from "./serve-fleet.ts";
import { UsageError } from "./usage-error.ts";

/** What `serve` and `run` are told by flags, after daprd's. Durations are milliseconds. */
export type ServeOptions = {
  readonly appId: string;
  readonly appPort: number | undefined;
  readonly appProtocol: AppProtocol;
  readonly appChannelAddress: string;
  readonly appMaxConcurrency: number | undefined;
  readonly appBindingOptionsTimeout: number;
  readonly appHealth:
    | {
        readonly path: string;
        readonly interval: number;
        readonly timeout: number;
        readonly threshold: number;
      }
    | undefined;
  readonly resourcesPaths: readonly string[];
  /** Files of Dapr's Configuration. */
  readonly configPaths: readonly string[];
  /** Where resources are read in place of these; `undefined`: they are read from files. */
  readonly kubernetes: KubernetesMode | undefined;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly publicPort: number | undefined;
  readonly metricsPort: number;
  readonly metrics: boolean;
  readonly deprecatedMetrics: boolean;
  readonly listenAddresses: readonly string[];
  readonly publicListenAddress: string;
  readonly metricsListenAddress: string;
  readonly unixDomainSocket: string | undefined;
  /** Where durable records are kept, in a folder of the app's own. */
  readonly stateDir: string | undefined;
  /** Where they are kept instead, for all replicas; `undefined`: there. */
  readonly store: SharedStorePlace | undefined;
  readonly fleet: FleetOptions;
  /** Whether it is remembered what became of each event. */
  readonly eventHistory: boolean;
  /** How long durable records are kept, and how many. */
  readonly retention: Retention;
  /** Files and packages with bindings of the user's own. */
  readonly bindings: readonly string[];
  readonly driversFolder: string | undefined;
  readonly allowExec: boolean;
  readonly maxBodySize: number;
  readonly callers: CallerOptions;
  /** Of the app's answers to events. */
  readonly appMaxAnswerSize: number;
  /** The most bytes of what others send that are held, in all. */
  readonly memoryBudget: number;
  readonly logLevel: LogLevel;
  readonly logAsJson: boolean;
  readonly gracefulShutdown: number;
  readonly blockShutdown: number;
  /** With them both ports and the console speak TLS. */
  readonly tls: TlsFiles | undefined;
  /** Where the web console listens; `undefined`: there is none. */
  readonly console: ConsolePlace | undefined;
  /** How many threads serve. 1: the process's own. */
  readonly workers: number;
  /** Flags given that belong to other building blocks. */
  readonly ignored: readonly string[];
};

/** What `--log-level` takes, as the help names them. */
export const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error", "fatal"];

/** Adds the flags of `serve` to a command. */
export function addServeOptions(command: Command): Command {
  command
    .option(
      "--app-id <id>",
      "the app's id; scopes and templates use it",
      process.env["APP_ID"] ?? "cufflink",
    )
    .option("--app-port <port>", "the port on which the app listens; without one, inputs wait")
    .option(
      "--app-protocol <protocol>",
      `how the app is spoken to: ${appProtocols.join(", ")}`,
      "http",
    )
    .option("--app-channel-address <host>", "where the app listens", "127.0.0.1")
    .option("--app-ssl [bool]", "speak TLS to the app: makes http https, and grpc grpcs")
    .option(
      "--app-max-concurrency <n>",
      "the most events that the app handles at one time; -1: no limit",
      "-1",
    )
    .option(
      "--app-binding-options-timeout <duration>",
      "for asking the app whether it wants an input",
      "3s",
    )
    .option(
      "--enable-app-health-check [bool]",
      "deliver only while the app's health check succeeds",
    )
    .option("--app-health-check-path <path>", "the health check of an HTTP app", "/healthz")
    .option("--app-health-probe-interval <seconds>", "between two health checks", "5")
    .option("--app-health-probe-timeout <milliseconds>", "for one health check", "500")
    .option("--app-health-threshold <n>", "failures in a row that make the app unhealthy", "3")
    .option("--resources-path <path>", "a folder of component YAML; may be repeated", collect, [])
    .option("--components-path <path>", "the old name of --resources-path", collect, [])
    .option(
      "--config <file>",
      "a file with a Configuration; may be repeated; in Kubernetes mode the name of one",
      collect,
      [],
    )
    .option("--dapr-http-port <port>", "Dapr's HTTP port; speaks every protocol", "3500")
    .option("--dapr-grpc-port <port>", "Dapr's gRPC port; speaks every protocol", "50001")
    .option("--dapr-public-port <port>", "health and metadata only")
    .option(
      "--dapr-listen-addresses <hosts>",
      "what both ports listen on, separated by commas",
      "127.0.0.1,[::1]",
    )
    .option("--dapr-public-listen-address <host>", "what the public port listens on", "127.0.0.1")
    .option("--metrics-port <port>", "Prometheus metrics", "9090")
    .option("--metrics-listen-address <host>", "what the metrics port listens on", "127.0.0.1")
    .option("--enable-metrics [bool]", "serve Prometheus metrics", "true")
    .option("--enable-deprecated-metrics [bool]", "write renamed metrics under both names", "true")
    .option("--unix-domain-socket <folder>", "listen on sockets in this folder instead of ports")
    .option(
      "--state-dir <folder>",
      "where durable records are kept, as dead letters; default $XDG_STATE_HOME, else ~/.local/state",
    )
    .option("--drivers <folder>", "where drivers are looked for after the working directory")
    .option("--allow-exec [bool]", "let components of the type exec run programs of this machine")
    .option("--enable-event-history [bool]", "remember what became of each event", "true")
    .option("--dead-letters-max-age <duration>", "how long dead letters are kept", "720h")
    .option("--dead-letters-max-count <n>", "the most dead letters that are kept", "100000")
    .option("--dead-letters-max-bytes <size>", "the most that dead letters take", "1Gi")
    .option("--history-max-age <duration>", "how long the history of events is kept", "168h")
    .option("--history-max-count <n>", "the most records of history that are kept", "100000")
    .option("--max-body-size <size>", "the largest request", "4Mi");
  addCallerOptions(command)
    .option("--allowed-origins <origins>", "daprd's name of --allow-origin, separated by commas")
    .option(
      "--app-max-answer-size <size>",
      "the largest answer of the app to an event; default --max-body-size",
    )
    .option(
      "--memory-budget <size>",
      "the most that requests, messages and answers take together; default 256Mi, or four times --max-body-size",
    );
  addTlsOptions(command, "both ports speak TLS")
    .option(
      "--workers <n>",
      "threads that serve, each on a core: a number, or auto for all cores",
      "1",
    )
    .option("--log-level <level>", "debug, info, warn, error or fatal", "info")
    .option("--log-as-json [bool]", "log lines for machines")
    .option(
      "--dapr-graceful-shutdown-seconds <seconds>",
      "how long the app may finish what it has",
      "5",
    )
    .option(
      "--dapr-block-shutdown-duration <duration>",
      "keep serving outputs this long after the signal",
      "0s",
    );
  addModeOptions(addStoreOptions(addConsoleOptions(addBindingsOption(addFleetOptions(command)))));
  for (const { name, value } of otherFlags)
    command.option(
      `--${name} ${value ? "<value>" : "[bool]"}`,
      "of another building block; ignored",
    );
  for (const option of command.options)
    if (option.description.endsWith("ignored")) option.hidden = true;
  return command;
}

/** Reads the flags of {@link addServeOptions}. Throws a {@link UsageError} that names every wrong one. */
export function readServeOptions(command: Command): ServeOptions {
  const flags = command.opts<Record<string, string | boolean | string[] | undefined>>();
  const problems: string[] = [];
  const text = (name: string): string => String(flags[name] ?? "");
  const optional = (name: string): string | undefined =>
    flags[name] === undefined ? undefined : text(name);
  const check = <T>(value: T | undefined, name: string, what: string, otherwise: T): T => {
    if (value !== undefined) return value;
    problems.push(`--${dashed(name)} ${JSON.stringify(text(name))} ${what}`);
    return otherwise;
  };
  const port = (name: string): number => {
    const value = Number(text(name));
    const valid = /^\d+$/.test(text(name)) && value <= 65_535;
    return check(valid ? value : undefined, name, "is not a port: a number up to 65535", 0);
  };
  const time = (name: string, bare: number): number =>
    check(parseDuration(text(name), bare), name, 'is not a duration such as "5s"', 0);
  const whole = (name: string): number =>
    check(
      /^-?\d+$/.test(text(name)) ? Number(text(name)) : undefined,
      name,
      "is not a whole number",
      0,
    );
  const atLeastOne = (name: string, value: number | undefined, what: string): number =>
    check(value !== undefined && value >= 1 ? value : undefined, name, what, 0);
  const age = (name: string): number =>
    atLeastOne(name, parseDuration(text(name), 1000), 'is not a duration such as "720h"');
  const most = (name: string): number =>
    atLeastOne(name, /^\d+$/.test(text(name)) ? Number(text(name)) : 0, "is not a number above 0");
  const on = (name: string): boolean =>
    flags[name] !== undefined &&
    check(parseBoolean(text(name)), name, "is neither true nor false", false);

  const mode = readMode(command, problems);
  let protocol = appProtocols.find((one) => one === text("appProtocol").toLowerCase());
  if (on("appSsl") && protocol === "http") protocol = "https";
  if (on("appSsl") && protocol === "grpc") protocol = "grpcs";
  const levels: Readonly<Record<string, LogLevel>> = {
    ...{ debug: "debug", info: "info", warn: "warn", warning: "warn" },
    ...{ error: "error", fatal: "fatal" },
  };
  const concurrency = whole("appMaxConcurrency");
  const paths = [flags["resourcesPath"], flags["componentsPath"]].flatMap((one) =>
    Array.isArray(one) ? one : [],
  );
  const callers = readCallerOptions(flags, problems);
  // daprd's default allows all, and only meant what a page may see.
  const daprs = list(text("allowedOrigins")).filter((origin) => origin !== "*");
  const workers = check(
    readWorkers(text("workers")),
    "workers",
    "is neither a number from 1 to 64 nor auto",
    1,
  );
  const store = readStoreOptions(flags, problems);
  const size = (name: string): number =>
    atLeastOne(name, parseByteSize(text(name)), 'is not a size above 0, such as "4Mi"');
  const maxBodySize = size("maxBodySize");
  const appMaxAnswerSize =
    optional("appMaxAnswerSize") === undefined ? maxBodySize : size("appMaxAnswerSize");
  const largest = Math.max(maxBodySize, appMaxAnswerSize);
  const memoryBudget =
    optional("memoryBudget") === undefined
      ? Math.max(defaultMemoryBudget, 4 * largest * workers)
      : size("memoryBudget");
  if (memoryBudget > 0 && memoryBudget < 2 * largest * workers) {
    const what =
      largest === maxBodySize
        ? `a request of --max-body-size, ${text("maxBodySize")}`
        : `an answer of --app-max-answer-size, ${text("appMaxAnswerSize")}`;
    const share = workers === 1 ? "it" : `the part of each of ${workers} workers`;
    problems.push(
      `--memory-budget ${JSON.stringify(text("memoryBudget"))} is too small: one port, and the app, use at most half of ${share}, which must hold ${what}`,
    );
  }
  const options: ServeOptions = {
    appId: text("appId"),
    appPort:
      flags["appPort"] === undefined || text("appPort") === "0" ? undefined : port("appPort"),
    appProtocol: check(protocol, "appProtocol", `is none of ${appProtocols.join(", ")}`, "http"),
    appChannelAddress: text("appChannelAddress"),
    appMaxConcurrency: concurrency > 0 ? concurrency : undefined,
    appBindingOptionsTimeout: Math.max(0, time("appBindingOptionsTimeout", 1000)) || 3000,
    appHealth: on("enableAppHealthCheck")
      ? {
          path: text("appHealthCheckPath"),
          interval: time("appHealthProbeInterval", 1000),
          timeout: time("appHealthProbeTimeout", 1),
          threshold: whole("appHealthThreshold"),
        }
      : undefined,
    resourcesPaths: mode.kubernetes === undefined ? paths : [],
    configPaths: mode.kubernetes === undefined ? mode.configs : [],
    kubernetes: mode.kubernetes,
    httpPort: port("daprHttpPort"),
    grpcPort: port("daprGrpcPort"),
    publicPort: flags["daprPublicPort"] === undefined ? undefined : port("daprPublicPort"),
    metricsPort: port("metricsPort"),
    metrics: on("enableMetrics"),
    deprecatedMetrics: on("enableDeprecatedMetrics"),
    listenAddresses: hosts(text("daprListenAddresses")),
    publicListenAddress: hosts(text("daprPublicListenAddress"))[0] ?? "127.0.0.1",
    metricsListenAddress: hosts(text("metricsListenAddress"))[0] ?? "127.0.0.1",
    unixDomainSocket: optional("unixDomainSocket"),
    stateDir: optional("stateDir"),
    store,
    bindings: Array.isArray(flags["bindings"]) ? flags["bindings"] : [],
    driversFolder: optional("drivers"),
    allowExec: on("allowExec"),
    fleet: {
      replicaId: readReplicaId(optional("replicaId"), problems),
      singleton: on("singleton"),
    },
    eventHistory: on("enableEventHistory"),
    retention: {
      deadLetters: {
        age: age("deadLettersMaxAge"),
        count: most("deadLettersMaxCount"),
        bytes: atLeastOne(
          "deadLettersMaxBytes",
          parseByteSize(text("deadLettersMaxBytes")),
          'is not a size such as "1Gi"',
        ),
      },
      history: { age: age("historyMaxAge"), count: most("historyMaxCount") },
    },
    maxBodySize,
    appMaxAnswerSize,
    memoryBudget,
    callers: { ...callers, allowOrigins: [...callers.allowOrigins, ...daprs] },
    logLevel: check(
      levels[text("logLevel").toLowerCase()],
      "logLevel",
      "is none of debug, info, warn, error, fatal",
      "info",
    ),
    logAsJson: on("logAsJson"),
    gracefulShutdown: time("daprGracefulShutdownSeconds", 1000),
    blockShutdown: time("daprBlockShutdownDuration", 1000),
    tls: readTlsOptions(flags, problems),
    console: readConsoleOptions(flags, problems),
    workers,
    ignored: [...otherFlags.map(({ name }) => name), ...mode.ignored]
      .filter((name) => command.getOptionValueSource(camelCase(name)) === "cli")
      .map((name) => `--${name}`),
  };
  if (problems.length === 0) problems.push(...portConflicts(options));
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return options;
}

/** `undefined`: it says neither. */
function readWorkers(text: string): number | undefined {
  if (text === "auto") return Math.min(availableParallelism(), mostWorkers);
  return /^[1-9]\d?$/.test(text) && Number(text) <= mostWorkers ? Number(text) : undefined;
}

const mostWorkers = 64;

function hosts(text: string): string[] {
  return list(text).map((host) => host.replace(/^\[(.*)\]$/, "$1"));
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function camelCase(name: string): string {
  return name.replaceAll(/-(.)/g, (_, character: string) => character.toUpperCase());
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (character) => `-${character.toLowerCase()}`);
}

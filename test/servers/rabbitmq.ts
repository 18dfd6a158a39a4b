import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { Place, ServerKind } from "./kind.ts";
import { findProgram, searchPath } from "./server-process.ts";

export interface RabbitmqOptions {
  /** Further lines of `rabbitmq.conf`, such as `consumer_timeout = 2000`. */
  readonly config?: readonly string[];
  /** Plugins that are enabled, such as `rabbitmq_management`. Default: none. */
  readonly plugins?: readonly string[];
}

export interface RabbitmqControl {
  /** Runs `rabbitmqctl` against this server and resolves to what it printed. */
  ctl(...args: string[]): Promise<string>;
}

const run = promisify(execFile);

/** RabbitMQ as a node of its own with a port mapper (epmd) of its own; guest/guest; data on disk. */
export const rabbitmq: ServerKind<RabbitmqOptions, object, RabbitmqControl> = {
  title: "RabbitMQ",
  variable: "RABBITMQ_URL",
  ports: 3,
  startTimeout: 300_000,
  greeting: {
    question: Buffer.from("AMQP\0\0\x09\x01", "latin1"),
    // A method frame on channel 0 that says connection.start.
    isAnswer: (answer) =>
      answer.length >= 11 && answer[0] === 1 && answer.readUInt32BE(7) === 0x000a_000a,
  },
  url: (host, port) => `amqp://guest:guest@${host}:${port}`,
  parse: (value) => parseUrl(value, 5672),
  isInstalled: () => server() !== undefined && epmd() !== undefined,
  install: () => installPackages("rabbitmq-server"),
  async prepare(place, options) {
    const environment = nodeEnvironment(place);
    const config = [
      `listeners.tcp.1 = ${place.host}:${portAt(place, 0)}`,
      "log.console.level = warning",
      "disk_free_limit.absolute = 50MB",
      ...(options.config ?? []),
    ];
    await writeFile(join(place.folder, "rabbitmq.conf"), `${config.join("\n")}\n`);
    await writeFile(join(place.folder, "environment.conf"), "");
    await writeFile(join(place.folder, "plugins"), `[${(options.plugins ?? []).join(",")}].\n`);
    return [
      {
        program: epmd() ?? "epmd",
        arguments: ["-port", String(portAt(place, 1)), "-address", place.host],
      },
      { program: server() ?? "rabbitmq-server", arguments: [], environment },
    ];
  },
  extras: () => ({}),
  ownExtras: (place) => ({
    async ctl(...args) {
      const program = findProgram("/usr/lib/rabbitmq/bin/rabbitmqctl", "rabbitmqctl");
      if (program === undefined) throw new Error("rabbitmqctl is not installed");
      const env = { PATH: searchPath(), ...nodeEnvironment(place) };
      const { stdout } = await run(program, ["--quiet", ...args], { env, timeout: 60_000 });
      return stdout;
    },
  }),
};

function nodeEnvironment(place: Place): Record<string, string> {
  const { folder, host } = place;
  return {
    HOME: folder,
    LANG: "C.UTF-8",
    ERL_EPMD_PORT: String(portAt(place, 1)),
    ERL_EPMD_ADDRESS: host,
    RABBITMQ_NODENAME: `cufflink-${portAt(place, 0)}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: host,
    RABBITMQ_NODE_PORT: String(portAt(place, 0)),
    RABBITMQ_DIST_PORT: String(portAt(place, 2)),
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_LOGS: "-",
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq"),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, "advanced.config"),
    RABBITMQ_CONF_ENV_FILE: join(folder, "environment.conf"),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, "generated"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
    RABBITMQ_FEATURE_FLAGS_FILE: join(folder, "feature-flags"),
    // The script then becomes the server instead of starting it, so that signals reach it.
    RABBITMQ_ALLOW_INPUT: "1",
    // No spinning while idle: other tests want the cores.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      "-noinput -kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
  };
}

/** Not the wrapper that Debian puts into PATH: as root that one runs the server as another user. */
function server(): string | undefined {
  return findProgram("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server");
}

function epmd(): string | undefined {
  return findProgram("epmd", "/usr/lib/erlang/bin/epmd");
}

import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import { defaultEndpoint, endpointForms, parseEndpoint } from "../grpc/endpoint.ts";
import { parseDuration } from "../metadata/duration.ts";
import type { RuntimeClient } from "../rpc/client.ts";
import { UsageError } from "./usage-error.ts";

const usualTimeout = "30s";

/** Adds the flags of commands that talk to a running runtime. */
export function addClientOptions(
  command: Command,
  what = "how long the call may take",
  usual = usualTimeout,
): Command {
  return addAddressOption(command).option("--timeout <duration>", what, usual);
}

/** Adds the flags that say where the runtime is, for commands that say otherwise how long they take. */
export function addAddressOption(command: Command): Command {
  return command
    .option(
      "--address <address>",
      `a port or socket of the running runtime: ${endpointForms}`,
      defaultEndpoint(process.env),
    )
    .option("--ca <file>", "speak TLS, and trust the certificates of this authority (PEM)")
    .option("--insecure", "speak TLS, and trust whatever certificate the runtime shows");
}

/** The client that these flags ask for. Throws a {@link UsageError}. */
export async function createClientFor(command: Command): Promise<RuntimeClient> {
  const {
    address,
    timeout = usualTimeout,
    ca,
    insecure,
  } = command.opts<{ address: string; timeout?: string; ca?: string; insecure?: true }>();
  if (ca !== undefined && insecure) {
    throw new UsageError("--ca and --insecure contradict each other; say one of them");
  }
  const endpoint = parseEndpoint(address, ca !== undefined || insecure);
  if (endpoint === undefined) {
    const isSaid = command.getOptionValueSource("address") === "cli";
    const what = isSaid ? "--address" : "the environment's DAPR_GRPC_ENDPOINT or DAPR_GRPC_PORT:";
    throw new UsageError(`${what} ${JSON.stringify(address)} is not ${endpointForms}`);
  }
  const milliseconds = readDuration("--timeout", timeout);
  const { RuntimeClient } = await import("../rpc/client.ts");
  return new RuntimeClient({
    endpoint,
    ca: ca === undefined ? undefined : await readAuthority(ca),
    insecure,
    token: process.env["DAPR_API_TOKEN"] || undefined,
    timeout: milliseconds,
  });
}

/** The milliseconds of a flag. Throws a {@link UsageError}. */
export function readDuration(flag: string, text: string): number {
  const milliseconds = parseDuration(text, 1000);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  throw new UsageError(`${flag} ${JSON.stringify(text)} is not a duration above 0, such as "5s"`);
}

/** Adds the two ways to give data: an argument of the command's own, and a file. */
export function addDataOption(command: Command): Command {
  return command.option("--data-file <file>", "take the data from a file; - is standard input");
}

/** The data as given; `undefined`: none. Throws a {@link UsageError}. */
export async function readData(
  command: Command,
  text: string | undefined,
): Promise<Uint8Array | undefined> {
  const { dataFile } = command.opts<{ dataFile?: string }>();
  if (text !== undefined && dataFile !== undefined) {
    throw new UsageError("data is given twice: as an argument and by --data-file");
  }
  if (dataFile === "-") return buffer(process.stdin);
  if (dataFile === undefined) return text === undefined ? undefined : Buffer.from(text);
  try {
    return await readFile(dataFile);
  } catch (error) {
    throw new UsageError(`--data-file cannot be read: ${messageOf(error)}`);
  }
}

/** For an option that is given several times as `name=value`. */
export function collectPairs(flag: string) {
  return (text: string, before: readonly [string, string][]): [string, string][] => {
    const at = text.indexOf("=");
    if (at <= 0) throw new UsageError(`${flag} ${JSON.stringify(text)} is not name=value`);
    return [...before, [text.slice(0, at), text.slice(at + 1)]];
  };
}

/** The certificates of `--ca`. Throws a {@link UsageError}. */
/** The PEM of `--ca`. Throws a {@link UsageError}. */
export async function readAuthority(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`--ca cannot be read: ${messageOf(error)}`);
  }
}

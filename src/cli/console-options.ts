import type { Command } from "commander";

/** Where the console listens. */
export type ConsolePlace = { readonly port: number; readonly host: string };

/** Adds the flags of the console to a command. `port`: the one without a flag; absent: there is no console then. */
export function addConsoleOptions(command: Command, port?: string): Command {
  const otherwise = port === undefined ? "off without this" : "0 is any free one";
  return command
    .option("--console-port <port>", `the web console; ${otherwise}`, port)
    .option("--console-listen-address <host>", "what the console listens on", "127.0.0.1");
}

/** Reads them; `undefined`: there is to be none. Adds what is wrong to the problems. */
export function readConsoleOptions(
  flags: { readonly [name: string]: string | boolean | string[] | undefined },
  problems: string[],
): ConsolePlace | undefined {
  const { consolePort: port, consoleListenAddress: address } = flags;
  if (typeof port !== "string") return undefined;
  const number = Number(port);
  if (!/^\d+$/.test(port) || number > 65_535)
    problems.push(
      `--console-port ${JSON.stringify(port)} is not a port: a number up to 65535; 0 is any free one`,
    );
  return {
    port: number,
    host: (typeof address === "string" ? address : "127.0.0.1").replace(/^\[(.*)\]$/, "$1"),
  };
}

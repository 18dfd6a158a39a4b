import type { Command } from "./server-process.ts";

/** Where a process is started: the address that others reach it at, and the command that it is started behind. */
export type Place = {
  readonly host: string;
  /** For instance `nsenter` into a network of its own. Empty: none. */
  readonly behind: readonly string[];
};

/** This machine's loopback. */
export const localPlace: Place = { host: "127.0.0.1", behind: [] };

/** The command that starts a program at a place. */
export function commandAt(
  { behind }: Place,
  program: string,
  args: readonly string[],
): Pick<Command, "program" | "arguments"> {
  const [first = program, ...rest] = behind;
  return { program: first, arguments: behind.length === 0 ? args : [...rest, program, ...args] };
}

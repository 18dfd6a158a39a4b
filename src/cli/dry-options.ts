import { constants, createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import type { FaultRule } from "../testkit/app/faults.ts";
import { readLines } from "./lines.ts";
import { UsageError } from "./usage-error.ts";

/** What `run --dry` is told beside the flags of `run`. */
export type DryOptions = {
  readonly faults: readonly FaultRule[];
  /** The lines of `--feed`, `undefined` in the place of one that is too long; absent: nothing is fed. */
  readonly feed: (() => AsyncIterable<string | undefined>) | undefined;
};

/** The longest line of a feed, in bytes. */
const longestLine = 64 * 1024 * 1024;

export function addDryOptions(command: Command): Command {
  return command
    .option("--dry", "run against stand-ins in memory: no system is connected to")
    .option(
      "--feed <file>",
      "with --dry: events for inputs, a JSON object a line; - is standard input",
    )
    .option(
      "--fault <fault>",
      'with --dry: a fault, as "orders: fail 3rd"; may be repeated',
      (fault: string, before: string[]) => [...before, fault],
      [],
    );
}

/** Reads the flags of {@link addDryOptions}. `undefined`: it is no dry run. Throws a {@link UsageError}. */
export async function readDryOptions(command: Command): Promise<DryOptions | undefined> {
  const { dry, feed, fault } = command.opts<{ dry?: true; feed?: string; fault: string[] }>();
  if (dry !== true) {
    const given = [feed !== undefined && "--feed", fault.length > 0 && "--fault"].filter(Boolean);
    if (given.length > 0) throw new UsageError(`${given.join(" and ")} needs --dry`);
    return undefined;
  }
  if (feed !== undefined && feed !== "-") {
    await access(feed, constants.R_OK).catch((error: unknown) => {
      throw new UsageError(`--feed ${feed} cannot be read: ${messageOf(error)}`);
    });
  }
  const { parseFault } = await import("../testkit/app/faults.ts");
  try {
    const faults = fault.map((text) => parseFault(text));
    return { faults, feed: feed === undefined ? undefined : () => linesOf(feed) };
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

async function* linesOf(file: string): AsyncGenerator<string | undefined> {
  const stream = file === "-" ? process.stdin : createReadStream(file);
  let isPart = false;
  for await (const line of readLines(stream, longestLine)) {
    // The parts of a line that is too long are one wrong line.
    if (!isPart) yield line.isPart ? undefined : line.text;
    isPart = line.isPart;
  }
}

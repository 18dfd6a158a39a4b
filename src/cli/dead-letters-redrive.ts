import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { Selection } from "../runtime/records/dead-letters.ts";
import type {
  RedriveProgress,
  RedriveResult,
  RedriveTotals,
} from "../runtime/records/redrive-run.ts";
import type { OutputTarget } from "../runtime/records/redrive-target.ts";
import {
  addAddressOption,
  addClientOptions,
  collectPairs,
  createClientFor,
} from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { addFilterOptions, readSelection } from "./dead-letter-selection.ts";
import { counted, plain } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

type RedriveFlags = {
  readonly rate?: string;
  readonly to?: string;
  readonly metadata: readonly [string, string][];
  readonly json?: true;
};

/** `cufflink dead-letters redrive`. */
export function addRedriveCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("redrive")
    .description(
      "have dead letters handled again, oldest first; those that are handled are removed",
    )
    .argument("[ids...]", "these")
    .option("--all", "every one");
  addFilterOptions(command)
    .option("--rate <n>", "at most so many a second; default: as fast as they are handled")
    .option(
      "--to <output[:operation]>",
      "to this output instead of the app; default operation: create",
    )
    .option(
      "-m, --metadata <name=value>",
      "a setting of the output's operation; may be repeated",
      collectPairs("--metadata"),
      [],
    )
    .option("--json", "for tools: a line for each dead letter, and one with the totals")
    .addHelpText(
      "after",
      `
Each goes to the app by its component's policy, all attempts anew. Ctrl-C begins no further one.

Exit code 1: one of them was not handled, or none was found.

Examples:
  cufflink dead-letters redrive 019ab2c4-7b11-7cc3-98c4-dc0c0c07398f
  cufflink dead-letters redrive --component orders --reason timeout --rate 50
  cufflink dead-letters redrive --component orders --to archive:create
`,
    );
  addAddressOption(command).action(async (ids: string[]) => {
    const { rate, to, metadata, json } = command.opts<RedriveFlags>();
    const selection = readSelection(command, ids);
    const target = readTarget(to, metadata);
    const perSecond = readRate(rate);
    using client = await createClientFor(command);
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    const run = client.deadLetters.redrive(selection, {
      ...{ rate: perSecond, to: target, signal: stop.signal },
    });
    const totals = await follow(run, json === true);
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    const { matched, handled, refused, skipped } = totals;
    const left = matched - handled - refused - skipped;
    if (json) process.stdout.write(`${JSON.stringify({ totals })}\n`);
    else process.stderr.write(`${summary(totals)}\n`);
    if (matched === 0 || refused > 0 || skipped > 0 || left > 0) throw new ExitCode(1);
  });
}

async function follow(run: AsyncIterable<RedriveProgress>, json: boolean): Promise<RedriveTotals> {
  let last: RedriveTotals = { matched: 0, handled: 0, refused: 0, skipped: 0 };
  const showsProgress = process.stderr.isTTY && !json;
  for await (const { result, totals } of run) {
    last = totals;
    if (json && result !== undefined) process.stdout.write(`${JSON.stringify(result)}\n`);
    if (json) continue;
    if (showsProgress) process.stderr.write("\r\u001b[K");
    if (result !== undefined && result.outcome !== "handled") writeResult(result);
    if (result?.outcome === "handled" && result.reason !== "") writeResult(result);
    if (showsProgress) process.stderr.write(summary(totals));
  }
  if (showsProgress) process.stderr.write("\r\u001b[K");
  return last;
}

function writeResult({ id, eventId, outcome, reason }: RedriveResult): void {
  const event = eventId === undefined ? "" : ` (${plain(eventId)})`;
  process.stdout.write(`${outcome} ${id}${event}: ${plain(reason)}\n`);
}

function summary({ matched, handled, refused, skipped }: RedriveTotals): string {
  if (matched === 0) return "there are no such dead letters";
  const left = matched - handled - refused - skipped;
  return [
    `${handled} of ${counted(matched, "dead letter")} handled`,
    ...(refused > 0 ? [`${refused} refused`] : []),
    ...(skipped > 0 ? [`${skipped} left alone`] : []),
    ...(left > 0 ? [`${left} to go`] : []),
  ].join(", ");
}

function readTarget(
  to: string | undefined,
  metadata: readonly [string, string][],
): OutputTarget | undefined {
  if (to === undefined) {
    if (metadata.length === 0) return undefined;
    throw new UsageError("--metadata is for an output; say --to");
  }
  const [component = "", operation = "create", ...rest] = to.split(":");
  if (component === "" || operation === "" || rest.length > 0) {
    throw new UsageError(`--to ${JSON.stringify(to)} is not output or output:operation`);
  }
  return { component, operation, metadata: Object.fromEntries(metadata) };
}

function readRate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rate = Number(text);
  if (text.trim() !== "" && rate > 0 && Number.isFinite(rate)) return rate;
  throw new UsageError(`--rate ${JSON.stringify(text)} is not a number above 0`);
}

/** `cufflink dead-letters drop`. */
export function addDropCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("drop")
    .description("remove dead letters for good; asks before, unless --yes is said")
    .argument("[ids...]", "these")
    .option("--all", "every one");
  addFilterOptions(command)
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      `
Exit code 1: nothing was dropped, or something is being redriven and was left alone.

Examples:
  cufflink dead-letters drop 019ab2c4-7b11-7cc3-98c4-dc0c0c07398f
  cufflink dead-letters drop --component orders --before 168h --yes
`,
    );
  addClientOptions(command).action(async (ids: string[]) => {
    const { yes = false } = command.opts<{ yes?: true }>();
    const selection: Selection = readSelection(command, ids);
    if (!yes && !process.stdin.isTTY) {
      throw new UsageError("drop asks for confirmation; pass --yes where there is no terminal");
    }
    using client = await createClientFor(command);
    if (!yes) {
      const { dropped } = await client.deadLetters.drop(selection, { countOnly: true });
      if (dropped > 0 && !(await agreed(dropped))) {
        process.stderr.write("nothing was dropped\n");
        throw new ExitCode(1);
      }
    }
    const { dropped, skipped } = await client.deadLetters.drop(selection);
    process.stdout.write(`${counted(dropped, "dead letter")} dropped\n`);
    if (skipped > 0) process.stderr.write(`${skipped} are being redriven and were left alone\n`);
    if (dropped === 0 || skipped > 0) throw new ExitCode(1);
  });
}

async function agreed(count: number): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(
      `Drop ${counted(count, "dead letter")} for good? [y/N] `,
    );
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

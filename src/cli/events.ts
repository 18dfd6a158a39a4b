import { Option, type Command } from "commander";
import type { EventEndWord, WatchedEvent } from "../rpc/history-client.ts";
import type { HistoryRecord } from "../store/records.ts";
import { addAddressOption, addClientOptions, createClientFor } from "./client-options.ts";
import { dateOf, textOrHex } from "./dead-letter-text.ts";
import { counted, formatSize, formatTable, plain } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";
import { recordJson } from "./why.ts";

/** How events end, as flags say it. */
const endWords: Readonly<Record<string, EventEndWord>> = {
  handled: "handled",
  "dead-letter": "dead letter",
  output: "output",
  dropped: "dropped",
  returned: "returned",
  duplicate: "duplicate",
};

/** `cufflink events`: those that have come to their end, and those that do now. */
export function addEventsCommand(program: Command): void {
  const events = program
    .command("events")
    .description("show the last events of a running runtime and how they ended, or each as it ends")
    .addHelpText(
      "after",
      `
Without a command of its own it lists: cufflink events [--component NAME] [--end dead-letter].

Examples:
  cufflink events --component orders --limit 50
  cufflink events list --end dead-letter --end dropped --json
  cufflink events tail --component orders
`,
    );
  addListCommand(events);
  addTailCommand(events);
}

function addListCommand(events: Command): void {
  const command = events
    .command("list", { isDefault: true })
    .description("list the last events that came to their end, newest first")
    .option("--component <name>", "of this component only")
    .addOption(
      new Option("--end <end>", "that ended so; may be repeated")
        .choices(Object.keys(endWords))
        .argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]),
    )
    .option("--limit <n>", "at most so many", "20")
    .option("--json", "for tools");
  addClientOptions(command).action(async () => {
    const { component, end = [], limit, json } = command.opts<ListFlags>();
    const records = await listed(command, {
      component,
      ends: end.map(readEnd),
      limit: readCount("--limit", limit),
    });
    if (json) {
      for (const record of records) process.stdout.write(`${JSON.stringify(recordJson(record))}\n`);
    } else if (records.length > 0) process.stdout.write(`${table(records)}\n`);
    else process.stderr.write("no such event is remembered\n");
  });
}

type ListFlags = { component?: string; end?: string[]; limit: string; json?: true };

async function listed(
  command: Command,
  asked: { component: string | undefined; ends: EventEndWord[]; limit: number },
): Promise<HistoryRecord[]> {
  using client = await createClientFor(command);
  return await client.history.list(asked);
}

function addTailCommand(events: Command): void {
  const command = events
    .command("tail")
    .description("show events as they come to their end, until Ctrl-C; nothing waits for that")
    .option("--component <name>", "of this component only")
    .option("--rate <n>", "at most so many a second, up to 200; the others are counted", "20")
    .option("--data <bytes>", "so many bytes of each payload, up to 65536", "200")
    .option("--json", "a line of JSON for each");
  addAddressOption(command).action(async () => {
    const { component, rate, data, json } = command.opts<TailFlags>();
    const asked = {
      component,
      rate: readCount("--rate", rate),
      maxData: readCount("--data", data),
    };
    using client = await createClientFor(command);
    const stop = new AbortController();
    const onStop = (): void => stop.abort();
    process.once("SIGINT", onStop).once("SIGTERM", onStop);
    process.stdout.once("close", onStop);
    try {
      for await (const { event, leftOut } of client.history.tail(asked, stop.signal)) {
        if (leftOut > 0 && !json) process.stdout.write(`… ${counted(leftOut, "event")} left out\n`);
        if (event === undefined && !(json && leftOut > 0)) continue;
        process.stdout.write(json ? `${eventJson(event, leftOut)}\n` : `${line(event)}\n`);
      }
    } finally {
      process.off("SIGINT", onStop).off("SIGTERM", onStop);
      process.stdout.off("close", onStop);
    }
  });
}

type TailFlags = { component?: string; rate: string; data: string; json?: true };

function table(records: readonly HistoryRecord[]): string {
  const head = ["ENDED", "COMPONENT", "EVENT", "END", "ATTEMPTS", "REASON"];
  const rows = records.map(({ endedAt, component, eventId, end, attempts, reason }) => [
    ...[dateOf(endedAt), plain(component), plain(eventId) || "-", end],
    ...[String(attempts.length), plain(reason)],
  ]);
  return formatTable([head, ...rows]);
}

function line(event: WatchedEvent | undefined): string {
  if (event === undefined) return "";
  const { record, data, dataSize } = event;
  const { endedAt, component, eventId, end, attempts, reason } = record;
  const because = reason === "" ? "" : `: ${reason}`;
  const tried = attempts.length > 1 ? ` after ${counted(attempts.length, "attempt")}` : "";
  const what = `${dateOf(endedAt)} ${component} ${eventId || "-"} ${end}${tried}${because}`;
  const size = dataSize > (data?.length ?? 0) ? ` … ${formatSize(dataSize)}` : "";
  return `${plain(what)}${data === undefined ? "" : `\n  ${textOrHex(data)}${size}`}`;
}

function eventJson(event: WatchedEvent | undefined, leftOut: number): string {
  if (event === undefined) return JSON.stringify({ leftOut });
  const { record, data, dataSize, key, metadata } = event;
  return JSON.stringify({
    ...recordJson(record),
    ...(data && { data: Buffer.from(data).toString("base64") }),
    dataSize,
    ...(key && { key: Buffer.from(key).toString("base64") }),
    metadata,
    leftOut,
  });
}

function readEnd(text: string): EventEndWord {
  const word = endWords[text];
  if (word !== undefined) return word;
  throw new UsageError(
    `--end ${JSON.stringify(text)} is none of ${Object.keys(endWords).join(", ")}`,
  );
}

function readCount(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`${flag} ${JSON.stringify(text)} is not a number above 0`);
}

import type { Command } from "commander";
import type { RuntimeClient } from "../rpc/client.ts";
import type { ShownDeadLetter } from "../rpc/records.ts";
import type { UnfinishedEvent } from "../runtime/status.ts";
import type { HistoryRecord } from "../store/records.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { dateOf, tookText } from "./dead-letter-text.ts";
import { UsageError } from "./usage-error.ts";
import { counted, paragraph, plain, writeJson } from "./terminal.ts";

/** `cufflink why`: the story of an event. */
export function addWhyCommand(program: Command): void {
  const command = program
    .command("why")
    .description(
      "show what happened to an event: its source, each attempt, the app's answers, where it is or ended",
    )
    .argument("[event]", "the event's identity at its source, or its trace id")
    .option("--dead-letter <id>", "the event that this dead letter was made of")
    .option("--component <name>", "as this component read it")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Exit code 1: nothing is known of it.

Examples:
  cufflink why 'orders[0]@42'
  cufflink why 4bf92f3577b34da6a3ce929d0e0e4736 --component orders
  cufflink why --dead-letter 0199b1c2-7a3e-7000-8000-000000000001
`,
    );
  addClientOptions(command).action(async (given: string | undefined) => {
    const { component, json, deadLetter } = command.opts<Flags>();
    if ((given === undefined) === (deadLetter === undefined))
      throw new UsageError("say an event, or --dead-letter and its id");
    using client = await createClientFor(command);
    const of = given === undefined ? { deadLetter: deadLetter ?? "" } : { event: given };
    const { records, unfinished } = await client.history.explain(of, component);
    const event = given ?? records[0]?.eventId ?? "";
    const deadLetters =
      deadLetter === undefined
        ? await deadLettersOf(client, event, component)
        : (await client.deadLetters.list({ ids: [deadLetter] }, { limit: 1 })).deadLetters;
    if (json) {
      writeJson({
        event,
        unfinished: unfinished.map(unfinishedJson),
        records: records.map(recordJson),
        deadLetters: deadLetters.map(({ id }) => id),
      });
    } else if (records.length > 0 || unfinished.length > 0) {
      const stories = [
        ...unfinished.map(unfinishedStory),
        ...records.map((one) => describeRecord(one, deadLetters)),
      ];
      process.stdout.write(`${stories.join("\n\n")}\n`);
    } else if (deadLetters.length > 0) {
      process.stdout.write(`${deadLetters.map(deadLetterLine).join("\n")}\n`);
    }
    if (records.length > 0 || unfinished.length > 0 || deadLetters.length > 0) return;
    process.stderr.write(`${nothingKnown(given ?? `of dead letter ${deadLetter}`, component)}\n`);
    throw new ExitCode(1);
  });
}

type Flags = { component?: string; json?: true; deadLetter?: string };

/** Its dead letters that are there now. */
async function deadLettersOf(
  client: RuntimeClient,
  eventId: string,
  component: string | undefined,
): Promise<ShownDeadLetter[]> {
  const filter = { eventId, ...(component !== undefined && { component }) };
  return (await client.deadLetters.list(filter, { limit: 100 })).deadLetters;
}

function describeRecord(record: HistoryRecord, deadLetters: readonly ShownDeadLetter[]): string {
  const { traceId, endedAt, deadLetter } = record;
  const lines = stepLines(record, { at: endedAt, text: endText(record) });
  if (traceId !== "") lines.push(`  trace ${traceId}`);
  if (deadLetter !== undefined) {
    const isThere = deadLetters.some(({ id }) => id === deadLetter);
    lines.push(
      isThere
        ? `  See cufflink dead-letters show ${deadLetter}`
        : "  It is no longer a dead letter: it was handled when it was redriven, dropped, or expired.",
    );
  }
  return [titleOf(record), ...lines].join("\n");
}

function unfinishedStory(event: UnfinishedEvent): string {
  const { traceId, deadLetter } = event;
  const lines = [...stepLines(event), `  ${plain(placeText(event))}`];
  if (traceId !== "") lines.push(`  trace ${traceId}`);
  if (deadLetter !== undefined) lines.push(`  It is dead letter ${deadLetter}, redriven now.`);
  return [titleOf(event), ...lines].join("\n");
}

type Begun = Pick<
  HistoryRecord,
  "component" | "eventId" | "source" | "receivedAt" | "attempts" | "renewals" | "failedRenewals"
>;

function titleOf({ eventId, component }: Begun): string {
  const what = eventId === "" ? "An event without identity" : eventId;
  return plain(`${what}, read by ${component}`);
}

/** What has happened to an event, in its order. */
function stepLines(event: Begun, ...end: { at: number; text: string }[]): string[] {
  const { source, receivedAt, attempts } = event;
  const from = source === "" ? "" : ` from ${source}`;
  const steps = [
    { at: receivedAt, text: `received${from}` },
    ...attempts.map((attempt, index) => ({
      at: attempt.at,
      text: attemptText(attempt, index + 1),
    })),
    ...renewalSteps(event),
    ...end,
  ];
  steps.sort((a, b) => a.at - b.at);
  return steps.map(({ at, text }) => `  ${dateOf(at)}  ${plain(text)}`);
}

/** Where an event is now. */
function placeText(event: UnfinishedEvent): string {
  const { where, reason, attempt, attemptsAllowed, nextAt, lastError, attempts } = event;
  const number = `attempt ${attempt}${attemptsAllowed === undefined ? "" : ` of ${attemptsAllowed}`}`;
  const because = reason === "" ? "" : `: ${reason}`;
  const at = nextAt === undefined ? "" : dateOf(nextAt);
  // Of attempts before a restart only the last failure is known.
  const last =
    lastError === "" || attempts.length > 0 ? "" : `; the last attempt failed: ${lastError}`;
  switch (where) {
    case "with the app":
      return `now with the app, ${number}${because}${last}`;
    case "waiting for a retry":
      return `now waiting for ${number}, due at ${at}${because}${last}`;
    case "queued":
      return `now queued for ${number}${because}${last}`;
    case "held":
      return `now held${because}${at === "" ? "" : `; tried again at ${at}`}${last}`;
  }
}

function attemptText({ took, outcome, answer }: HistoryRecord["attempts"][number], number: number) {
  const said = answer === "" ? "" : `: ${answer}`;
  return `attempt ${number} ${outcome} after ${tookText(took)}${said}`;
}

/** Few renewals one by one, many in a line. */
function renewalSteps({ renewals, failedRenewals = [] }: Begun) {
  const failed = failedRenewals.map(({ at, reason }) => ({
    at,
    text: `its lease could not be renewed: ${reason}`,
  }));
  const [first] = renewals;
  const last = renewals.at(-1);
  if (first === undefined || last === undefined || renewals.length <= 3) {
    return [...renewals.map((at) => ({ at, text: "lease renewed" })), ...failed];
  }
  const text = `lease renewed ${counted(renewals.length, "time")}, the last at ${dateOf(last)}`;
  return [{ at: first, text }, ...failed];
}

function endText({ end, reason, deadLetter = "" }: HistoryRecord): string {
  const because = reason === "" ? "" : `: ${reason}`;
  switch (end) {
    case "handled":
      return `handled${because}`;
    case "dead letter":
      return `became dead letter ${deadLetter}${because}`;
    case "output":
      return `went to the output for events that are not handled${because}`;
    case "dropped":
      return `dropped${because}`;
    case "returned":
      return `returned to its source${because}`;
    case "duplicate":
      return `not given to the app, since it was handled before${because}`;
  }
}

function deadLetterLine({ id, component, storedAt, reason }: ShownDeadLetter): string {
  const what = `${dateOf(storedAt)} it became a dead letter of ${component}: ${reason}`;
  return `${paragraph(what, "")}\n  See cufflink dead-letters show ${id}`;
}

function nothingKnown(event: string, component: string | undefined): string {
  const of = component === undefined ? "" : ` of component ${component}`;
  return [
    `nothing is known of event ${JSON.stringify(event)}${of}`,
    "  It may never have come, or be forgotten, or still be at its source.",
    "  Those that are here now are known, and the last 10,000 events are remembered, and for days those that were not simply handled.",
  ].join("\n");
}

/** A record for tools: times as ISO 8601 has them. */
export function recordJson(record: HistoryRecord): object {
  return { ...record, ...begunJson(record), endedAt: dateOf(record.endedAt) };
}

function unfinishedJson({ key, nextAt, ...event }: UnfinishedEvent): object {
  return {
    ...event,
    ...begunJson(event),
    ...(key !== undefined && { key: Buffer.from(key).toString("base64") }),
    ...(nextAt !== undefined && { nextAt: dateOf(nextAt) }),
  };
}

function begunJson({ attempts, renewals, receivedAt, failedRenewals = [] }: Begun): object {
  return {
    receivedAt: dateOf(receivedAt),
    attempts: attempts.map((one) => ({ ...one, at: dateOf(one.at) })),
    renewals: renewals.map(dateOf),
    failedRenewals: failedRenewals.map((one) => ({ ...one, at: dateOf(one.at) })),
  };
}

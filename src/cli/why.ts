import type { Command } from "commander";
import type { RuntimeClient } from "../rpc/client.ts";
import type { ShownDeadLetter } from "../rpc/records.ts";
import type { HistoryRecord } from "../store/records.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { dateOf, tookText } from "./letter-text.ts";
import { counted, paragraph, plain, writeJson } from "./terminal.ts";

/** `cufflink why`: the story of an event. */
export function addWhyCommand(program: Command): void {
  const command = program
    .command("why")
    .description(
      "tell what became of an event: where from, each attempt, the app's answers, its end",
    )
    .argument("<event>", "the event's identity at its source, or the trace id of a recent one")
    .option("--component <name>", "as this component read it")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Exit code 1: nothing is known of it.

Examples:
  cufflink why 'orders[0]@42'
  cufflink why 4bf92f3577b34da6a3ce929d0e0e4736 --component orders
`,
    );
  addClientOptions(command).action(async (event: string) => {
    const { component, json } = command.opts<{ component?: string; json?: true }>();
    using client = await createClientFor(command);
    const records = await client.operator.explain(event, component);
    const letters = await lettersOf(client, event, component);
    if (json) {
      writeJson({
        event,
        records: records.map(recordJson),
        deadLetters: letters.map(({ id }) => id),
      });
    } else if (records.length > 0) {
      process.stdout.write(`${records.map((one) => story(one, letters)).join("\n\n")}\n`);
    } else if (letters.length > 0) {
      process.stdout.write(`${letters.map(letterLine).join("\n")}\n`);
    }
    if (records.length > 0 || letters.length > 0) return;
    process.stderr.write(`${nothingKnown(event, component)}\n`);
    throw new ExitCode(1);
  });
}

/** Its dead letters that are there now. */
async function lettersOf(
  client: RuntimeClient,
  eventId: string,
  component: string | undefined,
): Promise<ShownDeadLetter[]> {
  const filter = { eventId, ...(component !== undefined && { component }) };
  return (await client.deadLetters.list(filter, { limit: 100 })).letters;
}

function story(record: HistoryRecord, letters: readonly ShownDeadLetter[]): string {
  const { component, eventId, source, traceId, receivedAt, endedAt, deadLetter } = record;
  const title = `${eventId === "" ? "An event without identity" : eventId}, read by ${component}`;
  const from = source === "" ? "" : ` from ${source}`;
  const steps = [
    { at: receivedAt, text: `received${from}` },
    ...record.attempts.map((attempt, index) => ({
      at: attempt.at,
      text: attemptText(attempt, index + 1),
    })),
    ...renewalSteps(record),
    { at: endedAt, text: endText(record) },
  ];
  steps.sort((a, b) => a.at - b.at);
  const lines = steps.map(({ at, text }) => `  ${dateOf(at)}  ${plain(text)}`);
  if (traceId !== "") lines.push(`  trace ${traceId}`);
  if (deadLetter !== undefined) {
    const isThere = letters.some(({ id }) => id === deadLetter);
    lines.push(
      isThere
        ? `  See cufflink dead-letters show ${deadLetter}`
        : "  It is no dead letter any more: it was handled when it was redriven, dropped, or expired.",
    );
  }
  return [plain(title), ...lines].join("\n");
}

function attemptText({ took, outcome, answer }: HistoryRecord["attempts"][number], number: number) {
  const said = answer === "" ? "" : `: ${answer}`;
  return `attempt ${number} ${outcome} after ${tookText(took)}${said}`;
}

/** Few renewals one by one, many in a line. */
function renewalSteps({ renewals, failedRenewals = [] }: HistoryRecord) {
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
      return `given back to its source${because}`;
    case "duplicate":
      return `not given to the app, since it was handled before${because}`;
  }
}

function letterLine({ id, component, storedAt, reason }: ShownDeadLetter): string {
  const what = `${dateOf(storedAt)} it became a dead letter of ${component}: ${reason}`;
  return `${paragraph(what, "")}\n  See cufflink dead-letters show ${id}`;
}

function nothingKnown(event: string, component: string | undefined): string {
  const of = component === undefined ? "" : ` of component ${component}`;
  return [
    `nothing is known of event ${JSON.stringify(event)}${of}`,
    "  It may never have come, or it may be with the app or waiting at this moment; see cufflink components.",
    "  The last 10,000 events are remembered, and for days those that were not simply handled.",
  ].join("\n");
}

function recordJson(record: HistoryRecord): object {
  const { attempts, renewals, receivedAt, endedAt, failedRenewals = [] } = record;
  return {
    ...record,
    receivedAt: dateOf(receivedAt),
    endedAt: dateOf(endedAt),
    attempts: attempts.map((one) => ({ ...one, at: dateOf(one.at) })),
    renewals: renewals.map(dateOf),
    failedRenewals: failedRenewals.map((one) => ({ ...one, at: dateOf(one.at) })),
  };
}

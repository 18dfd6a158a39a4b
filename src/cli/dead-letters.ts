import type { Command } from "commander";
import type { ShownDeadLetter } from "../rpc/records.ts";
import { addClientOptions, createClientFor } from "./client-options.ts";
import { addEditCommand } from "./dead-letters-edit.ts";
import { addDropCommand, addRedriveCommand } from "./dead-letters-redrive.ts";
import { addExportCommand, addImportCommand } from "./dead-letters-transfer.ts";
import { describeDeadLetter, deadLetterJson } from "./dead-letter-text.ts";
import { addFilterOptions, readFilter } from "./dead-letter-selection.ts";
import {
  ago,
  counted,
  formatSize,
  formatTable,
  paragraph,
  writeData,
  writeJson,
} from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** `cufflink dead-letters`: the events that were not handled, in a running runtime. */
export function addDeadLettersCommand(program: Command): void {
  const deadLetters = program
    .command("dead-letters")
    .description(
      "list, show, edit, redrive, drop, export and import the events that could not be handled",
    )
    .addHelpText(
      "after",
      `
Without a command of its own it lists.

Examples:
  cufflink dead-letters --component orders --since 2h
  cufflink dead-letters show 019ab2c4-7b11-7cc3-98c4-dc0c0c07398f
  cufflink dead-letters redrive --component orders --rate 50
`,
    );
  addListCommand(deadLetters);
  addShowCommand(deadLetters);
  addTotalsCommand(deadLetters);
  addEditCommand(deadLetters);
  addRedriveCommand(deadLetters);
  addDropCommand(deadLetters);
  addExportCommand(deadLetters);
  addImportCommand(deadLetters);
}

function addListCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("list", { isDefault: true })
    .description("list them, oldest first, each with its reason")
    .option("--limit <n>", "at most so many", "50")
    .option("--after <id>", "those behind this one")
    .option("--json", "for tools; larger payloads are left out");
  addClientOptions(addFilterOptions(command)).action(async () => {
    const {
      limit: text,
      after,
      json,
    } = command.opts<{
      limit: string;
      after?: string;
      json?: true;
    }>();
    const limit = Number(text);
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new UsageError(`--limit ${JSON.stringify(text)} is not a number from 1 on`);
    }
    const filter = readFilter(command);
    using client = await createClientFor(command);
    const deadLetters: ShownDeadLetter[] = [];
    let next = after;
    do {
      const page = { limit: Math.min(limit - deadLetters.length, 1000), after: next };
      const found = await client.deadLetters.list(filter, page);
      deadLetters.push(...found.deadLetters);
      next = found.next;
    } while (next !== undefined && deadLetters.length < limit);
    if (json) writeJson(deadLetters.map(deadLetterJson));
    else if (deadLetters.length > 0) process.stdout.write(`${table(deadLetters)}\n`);
    else process.stderr.write("there are no such dead letters\n");
    if (next !== undefined) {
      process.stderr.write(`there are more; say --limit, or --after ${next}\n`);
    }
  });
}

/** A row for each, and below it the event and the reason. */
function table(deadLetters: readonly ShownDeadLetter[]): string {
  const rows = deadLetters.map((one) => [
    one.id,
    one.component,
    ago(one.storedAt),
    String(one.failed),
    formatSize(one.size),
  ]);
  const [head = "", ...lines] = formatTable([
    ["ID", "COMPONENT", "STORED", "ATTEMPTS", "SIZE"],
    ...rows,
  ]).split("\n");
  const about = deadLetters.map(({ event, reason, edited, redriving }) => {
    const notes = [...(edited ? ["edited"] : []), ...(redriving ? ["being redriven"] : [])];
    const id = event.id === undefined ? "" : `${event.id}: `;
    return paragraph(`${id}${reason}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`, "    ");
  });
  return [head, ...lines.flatMap((line, index) => [line, about[index] ?? ""])].join("\n");
}

function addShowCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("show")
    .description("show one: its reason, each attempt, headers and payload")
    .argument("<id>", "its id")
    .option("--data", "write its payload and nothing else, as it is")
    .option("--json", "for tools")
    .addHelpText("after", "\nExit code 1: there is no dead letter of that id.\n");
  addClientOptions(command).action(async (id: string) => {
    const { data, json } = command.opts<{ data?: true; json?: true }>();
    using client = await createClientFor(command);
    const deadLetter = await client.deadLetters.get(id);
    if (data) writeData(deadLetter.event.data ?? new Uint8Array());
    else if (json) writeJson(deadLetterJson(deadLetter));
    else process.stdout.write(`${describeDeadLetter(deadLetter)}\n`);
  });
}

function addTotalsCommand(deadLetters: Command): void {
  const command = deadLetters
    .command("totals")
    .description("count them, per component")
    .option("--json", "for tools");
  addClientOptions(command).action(async () => {
    using client = await createClientFor(command);
    const totals = await client.deadLetters.totals();
    if (command.opts<{ json?: true }>().json) {
      writeJson(totals.map((one) => ({ ...one, oldest: new Date(one.oldest).toISOString() })));
      return;
    }
    const rows = totals.map(({ component, count, bytes, oldest }) => [
      component,
      String(count),
      formatSize(bytes),
      ago(oldest),
    ]);
    if (rows.length > 0) {
      process.stdout.write(
        `${formatTable([["COMPONENT", "DEAD LETTERS", "SIZE", "OLDEST"], ...rows])}\n`,
      );
    }
    const all = totals.reduce((sum, { count }) => sum + count, 0);
    process.stderr.write(`${counted(all, "dead letter")}\n`);
  });
}

// The fault matrix and its scenarios: `npm run test:faults`. What it takes, `usage` below tells.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runCell, type Outcome } from "./cell.ts";
import { fullScenarios } from "./full-scenarios.ts";
import { allCells } from "./matrix.ts";
import { append, cellName, entryOf, nameOf, read, scenarioEntryOf, type Entry } from "./record.ts";
import type { ServerName } from "../servers/kinds.ts";
import type { Result } from "./scenario.ts";
import { Servers } from "./servers.ts";
import { serverOf } from "./fixture.ts";
import { lineOf, markdownOf, publish } from "./table.ts";

const usage = `Runs the fault matrix and its scenarios. Prints a line for each as it ends and a table at the end; ends with 1
if a gate fails.

  --only NAMES       sources, parted by commas: kafka,mqtt3
  --fault TEXTS      cells whose fault has one of the texts, parted by commas, in its name
  --phase TEXTS      cells whose phase has one of the texts in its name
  --mode NAMES       cells whose app gets its events so: grpc, http, stream
  --scenario TEXTS   scenarios with one of the texts in their name; "none": no scenario
                     Where cells or scenarios alone are selected, the others are left out.
  --slots N          how many run at one time (default 6)
  --list             prints the names of what would run
  --markdown FILE    writes the table
  --keep             keeps the folders of those that passed, too
  --record FILE      adds a line for each to a file (default test/faults/results.jsonl with --publish)
  --resume           leaves out what has passed in the record
  --publish          renews the table in docs/reliability.md from the whole record
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    fault: { type: "string" },
    phase: { type: "string" },
    mode: { type: "string" },
    scenario: { type: "string" },
    slots: { type: "string", default: "6" },
    list: { type: "boolean", default: false },
    markdown: { type: "string" },
    keep: { type: "boolean", default: false },
    record: { type: "string" },
    resume: { type: "boolean", default: false },
    publish: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit();
}

const published = join(import.meta.dirname, "results.jsonl");
const record = values.record ?? (values.publish || values.resume ? published : undefined);
const passed = values.resume && record !== undefined ? await passedIn(record) : new Set<string>();
const cellsAsked = [values.fault, values.phase, values.mode].some((asked) => asked !== undefined);
const scenarioAsked = values.scenario !== undefined && values.scenario !== "none";
const cells =
  scenarioAsked && !cellsAsked
    ? []
    : allCells().filter(
        (cell) =>
          isNamed(cell.source.name, values.only) &&
          contains(cell.fault.name, values.fault) &&
          contains(cell.phase, values.phase) &&
          isNamed(cell.mode ?? "grpc", values.mode) &&
          !passed.has(cellName(cell)),
      );
const scenarios =
  cellsAsked && !scenarioAsked
    ? []
    : fullScenarios.filter(
        ({ source, name }) =>
          isNamed(source.name, values.only) &&
          contains(name, values.scenario) &&
          !passed.has(nameOf({ source: source.name, scenario: name })),
      );

if (values.list) {
  for (const cell of cells) process.stdout.write(`${cellName(cell)}\n`);
  for (const { source, name } of scenarios) process.stdout.write(`${source.name}, ${name}\n`);
  process.exit();
}

// Where it writes to says nothing of what was run.
const isPlace = (word = ""): boolean => /^--(record|markdown)$/.test(word);
const asked = process.argv
  .slice(2)
  .filter((word, index, words) => !isPlace(word) && !isPlace(words[index - 1]));
const given = asked.map((word) => (/[ ,]/.test(word) ? `'${word}'` : word));
const command = `npm run test:faults${given.length > 0 ? ` -- ${given.join(" ")}` : ""}`;
const began = performance.now();
const entries: Entry[] = [];
const slots = Number(values.slots);
type Work = {
  /** The kind of server that it needs for itself. */
  readonly alone?: ServerName | undefined;
  readonly play: (slot: number, servers: Servers) => Promise<{ entry: Entry; folder?: string }>;
};
const queue: Work[] = [
  ...scenarios.map((scenario): Work => {
    const play: Work["play"] = async (slot, servers) => {
      const run = { began: performance.now(), command };
      const result = await scenario
        .play({ servers, slot })
        .catch((error: unknown): Result => ({ failures: [textOf(error)], figures: "" }));
      return { ...result, entry: scenarioEntryOf(scenario, result, run) };
    };
    return { play };
  }),
  ...cells.map((cell): Work => {
    const play: Work["play"] = async (slot, servers) => {
      const run = { began: performance.now(), command };
      const outcome = await runCell(cell, { servers, slot, keep: values.keep }).catch(
        (error: unknown): Outcome => ({ cell, bound: 0, failures: [textOf(error)] }),
      );
      return { ...outcome, entry: entryOf(outcome, run) };
    };
    return { play, alone: cell.fault.ownServer === true ? serverOf(cell.source) : undefined };
  }),
];
const taken = new Set<ServerName>();
{
  await using servers = new Servers(slots);
  const work = async (slot: number): Promise<void> => {
    for (let next = nextOf(queue); next !== undefined; next = nextOf(queue)) {
      if (next.alone !== undefined) taken.add(next.alone);
      const { entry, folder } = await next.play(slot, servers);
      if (next.alone !== undefined) taken.delete(next.alone);
      entries.push(entry);
      process.stdout.write(`${lineOf(entry, folder)}\n`);
      if (record !== undefined) await append(record, entry);
    }
  };
  await Promise.all(Array.from({ length: slots }, (_, slot) => work(slot)));
}
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
process.stdout.write(`\n${markdownOf(entries)}\n${entries.length} in ${minutes} minutes\n`);
if (values.markdown !== undefined) await writeFile(values.markdown, markdownOf(entries));
if (values.publish && record !== undefined) await publish([...(await read(record)).values()]);
// A producer that lost its server may keep a timer for a while.
process.exit(entries.some(({ failures }) => failures.length > 0) ? 1 : 0);

/** The first that need not wait for a server which another has; if there is none, the first. */
function nextOf(queue: Work[]): Work | undefined {
  const index = queue.findIndex(({ alone }) => alone === undefined || !taken.has(alone));
  return queue.splice(Math.max(0, index), 1)[0];
}

function isNamed(name: string, names: string | undefined): boolean {
  return names?.split(",").includes(name) ?? true;
}

/** Whether one of the texts, parted by commas, is in the name. */
function contains(name: string, texts = ""): boolean {
  return texts.split(",").some((text) => name.includes(text));
}

async function passedIn(file: string): Promise<Set<string>> {
  const all = [...(await read(file))];
  return new Set(all.flatMap(([name, { failures }]) => (failures.length === 0 ? [name] : [])));
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// The fault matrix: `npm run test:faults`. Prints a line for each cell as it ends and a table at the end; ends with 1
// if a gate fails. --only SOURCES and --fault, --phase TEXT select; --slots N says how many cells run at once;
// --markdown FILE gets the table; --keep keeps the folders of cells that passed, too.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runCell, type Cell, type Outcome } from "./cell.ts";
import { allCells } from "./matrix.ts";
import { Servers } from "./servers.ts";
import { lineOf, tableOf } from "./table.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    fault: { type: "string" },
    phase: { type: "string" },
    slots: { type: "string", default: "5" },
    markdown: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});

const only = values.only?.split(",");
const wanted = allCells().filter(
  ({ source, fault, phase }) =>
    (only?.includes(source.name) ?? true) &&
    fault.name.includes(values.fault ?? "") &&
    phase.includes(values.phase ?? ""),
);
const began = performance.now();
const outcomes: Outcome[] = [];
const slots = Number(values.slots);
{
  await using servers = new Servers(slots);
  const queue = [...wanted];
  const work = async (slot: number): Promise<void> => {
    for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
      const outcome = await runOne(cell, servers, slot);
      outcomes.push(outcome);
      process.stdout.write(`${lineOf(outcome)}\n`);
    }
  };
  await Promise.all(Array.from({ length: slots }, (_, slot) => work(slot)));
}
const minutes = (performance.now() - began) / 60_000;
const table = tableOf(outcomes, minutes);
process.stdout.write(`\n${table}`);
if (values.markdown !== undefined) await writeFile(values.markdown, table);
// A producer that lost its server may keep a timer for a while.
process.exit(outcomes.some(({ failures }) => failures.length > 0) ? 1 : 0);

async function runOne(cell: Cell, servers: Servers, slot: number): Promise<Outcome> {
  try {
    return await runCell(cell, { servers, slot, keep: values.keep });
  } catch (error) {
    const failures = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    return { cell, bound: 0, failures };
  }
}

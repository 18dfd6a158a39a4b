// The fault matrix and its scenarios: `npm run test:faults`. Prints a line for each as it ends and a table at the end;
// ends with 1 if a gate fails.
//
// --only SOURCES, --fault TEXT and --phase TEXT select cells of the matrix, --scenario TEXT scenarios (`none`: none);
// where only one of both is selected, the other is left out. --slots N says how many run at once; --markdown FILE gets
// the table; --keep keeps the folders of those that passed, too.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runCell, type Outcome } from "./cell.ts";
import { fullScenarios, type FullScenario } from "./full-scenarios.ts";
import { allCells } from "./matrix.ts";
import type { Result } from "./scenarios.ts";
import { Servers } from "./servers.ts";
import { lineOf, scenarioLine, scenarioTable, tableOf } from "./table.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    fault: { type: "string" },
    phase: { type: "string" },
    scenario: { type: "string" },
    slots: { type: "string", default: "5" },
    markdown: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});

const only = values.only?.split(",");
const isWanted = ({ name }: { name: string }): boolean => only?.includes(name) ?? true;
const cellsAsked = values.fault !== undefined || values.phase !== undefined;
const scenarioAsked = values.scenario !== undefined && values.scenario !== "none";
const cells =
  scenarioAsked && !cellsAsked
    ? []
    : allCells().filter(
        ({ source, fault, phase }) =>
          isWanted(source) &&
          fault.name.includes(values.fault ?? "") &&
          phase.includes(values.phase ?? ""),
      );
const scenarios =
  cellsAsked && !scenarioAsked
    ? []
    : fullScenarios.filter(
        ({ source, name }) => isWanted(source) && name.includes(values.scenario ?? ""),
      );

const began = performance.now();
const outcomes: Outcome[] = [];
const results: { scenario: FullScenario; result: Result }[] = [];
const slots = Number(values.slots);
type Work = (slot: number, servers: Servers) => Promise<string>;
const queue: Work[] = [
  ...scenarios.map((scenario): Work => {
    return async (slot, servers) => {
      const result = await scenario
        .play({ servers, slot })
        .catch((error: unknown): Result => ({ failures: [textOf(error)], figures: "" }));
      results.push({ scenario, result });
      return scenarioLine(scenario, result);
    };
  }),
  ...cells.map((cell): Work => {
    return async (slot, servers) => {
      const outcome = await runCell(cell, { servers, slot, keep: values.keep }).catch(
        (error: unknown): Outcome => ({ cell, bound: 0, failures: [textOf(error)] }),
      );
      outcomes.push(outcome);
      return lineOf(outcome);
    };
  }),
];
{
  await using servers = new Servers(slots);
  const work = async (slot: number): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      process.stdout.write(`${await next(slot, servers)}\n`);
  };
  await Promise.all(Array.from({ length: slots }, (_, slot) => work(slot)));
}
const minutes = (performance.now() - began) / 60_000;
const table = `${tableOf(outcomes, minutes)}${scenarioTable(results)}`;
process.stdout.write(`\n${table}`);
if (values.markdown !== undefined) await writeFile(values.markdown, table);
const failed = [...outcomes, ...results.map(({ result }) => result)].some(
  ({ failures }) => failures.length > 0,
);
// A producer that lost its server may keep a timer for a while.
process.exit(failed ? 1 : 0);

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

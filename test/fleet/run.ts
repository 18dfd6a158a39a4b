// `npm run test:fleet`: strikes three replicas and three servers of NATS, each in a network namespace of its own, under load, and
// judges what became of the events. Keeps what came of each cell in record.json, of which docs/fleet-proofs.md is made.
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Servers } from "../faults/servers.ts";
import { runStrike, type FleetOutcome } from "./cell.ts";
import { Fleet } from "./fleet.ts";
import { enterOwnNetwork, openNetwork, type Network } from "./network.ts";
import { keep } from "./record.ts";
import { changes, entries, files, records, ticks, type FleetSource } from "./sources.ts";
import { strikes, type Strike } from "./strikes.ts";

const usage = `usage: npm run test:fleet -- [options]
  --only TEXTS     cells whose name has one of the texts, parted by commas
  --source NAMES   sources: cron, file, redis.streams, "postgres, relayed", kafka, parted by semicolons. Default: all but kafka.
                   Strikes look for the owner of cron, so name it, too: "cron;kafka" has a record of its own
  --seed N         default 1: chooses among replicas and servers, and the times
  --rounds N       how often each cell is run, each time with the next seed
  --workers N      threads of each replica; default 1
  --fresh          a new fleet for each cell, not only after one that failed
  --list           prints the names of what would run
  --no-network     all on one loopback; what needs a network that can be cut is not run
  --no-record      prints, and writes nothing
`;
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    source: { type: "string" },
    seed: { type: "string", default: "1" },
    rounds: { type: "string", default: "1" },
    workers: { type: "string", default: "1" },
    fresh: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    "no-network": { type: "boolean", default: false },
    "no-record": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit();
}
const wanted = values.only?.split(",") ?? [""];
const cells = strikes.filter(({ name }) => wanted.some((text) => name.includes(text)));
if (values.list) {
  for (const { name } of cells) process.stdout.write(`${name}\n`);
  process.exit();
}
const noNetwork = values["no-network"] ? "--no-network" : enterOwnNetwork();
if (noNetwork !== undefined) process.stdout.write(`nothing can be cut off: ${noNetwork}\n`);

const allSources: readonly FleetSource[] = [ticks, files, entries, changes, records];
const named = values.source?.split(";");
const sources =
  named === undefined
    ? allSources.filter((source) => source !== records)
    : allSources.filter(({ name }) => named.includes(name));
const order = ["1", "2"].flatMap((workers) => strikes.map((strike) => titleOf(strike, workers)));
const root = resolve(import.meta.dirname, "../..");
const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: root }).toString().trim();
const isChanged = git("status", "--porcelain", "src") !== "";
const stamp = {
  commit: `${git("rev-parse", "--short=12", "HEAD")}${isChanged ? ", with changes" : ""}`,
  date: new Date().toISOString().slice(0, 10),
};

let failed = 0;
{
  await using servers = new Servers(1);
  let network: Network | undefined;
  let fleet: Fleet | undefined;
  const open = async (): Promise<Fleet> => {
    if (noNetwork === undefined) network ??= await openNetwork();
    const more = values.workers === "1" ? [] : ["--workers", values.workers];
    return await Fleet.open({ servers, sources, network, skewed: true, arguments: more });
  };
  for (const cell of cells)
    for (let round = 0; round < Number(values.rounds); round++) {
      const seed = Number(values.seed) + round;
      if (cell.cutsOff === true && noNetwork !== undefined) {
        note({ strike: titleOf(cell), seed, sources: [], failures: [] }, 0, noNetwork);
        continue;
      }
      const began = performance.now();
      let outcome: FleetOutcome;
      try {
        fleet ??= await open();
        outcome = { ...(await runStrike(fleet, cell, seed)), strike: titleOf(cell) };
      } catch (error) {
        const failures = [error instanceof Error ? error.message : String(error)];
        outcome = { strike: titleOf(cell), seed, sources: [], failures };
      }
      if (outcome.failures.length > 0) fleet?.keep();
      note(outcome, Math.round((performance.now() - began) / 1000));
      if (outcome.failures.length > 0 || values.fresh) {
        if (outcome.failures.length > 0)
          process.stdout.write(`  logs: ${fleet?.folder ?? "none"}\n`);
        await fleet?.[Symbol.asyncDispose]();
        fleet = undefined;
      }
    }
  await fleet?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
}
// A producer that lost its server may keep a timer for a while.
process.exit(failed > 0 ? 1 : 0);

/** The name of a cell in the record. */
function titleOf({ name }: Strike, workers = values.workers): string {
  return workers === "1" ? name : `${name}; ${workers} workers in each replica`;
}

function note(outcome: FleetOutcome, seconds: number, notRun?: string): void {
  const { strike, failures, seed } = outcome;
  if (failures.length > 0) failed++;
  const word = notRun === undefined ? (failures.length > 0 ? "FAILED" : "passed") : "not run";
  process.stdout.write(`${word}  ${strike}, seed ${seed}, ${seconds} s\n`);
  for (const one of outcome.sources) process.stdout.write(`  ${JSON.stringify(one)}\n`);
  for (const failure of failures) process.stdout.write(`  ${failure}\n`);
  if (values["no-record"]) return;
  const record = sources.includes(records) ? "record-kafka" : "record";
  keep(
    record,
    { ...outcome, ...stamp, seconds, ...(notRun === undefined ? {} : { notRun }) },
    order,
  );
}

// `npm run bench`: builds, measures, prints a table, and writes it to docs/performance.md with the
// single values beside it in bench/results.json. DAPRD=/path/to/daprd measures that daprd as well.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { format } from "oxfmt";
import { startServer } from "../test/servers/start-server.ts";
import { chooseGenerator, type Generator } from "./generator.ts";
import { inFlight, type Load } from "./load.ts";
import { median, processorSeconds, residentMebibytes } from "./measure.ts";
import { cufflink, daprd, echoServer, noOpDaemon, start, type Running } from "./subject.ts";

const { values: flags } = parseArgs({
  options: {
    starts: { type: "string", default: "9" },
    rounds: { type: "string", default: "5" },
    calls: { type: "string", default: "20000" },
    "dry-run": { type: "boolean", default: false },
  },
});
const root = join(import.meta.dirname, "..");
const idleAfter = 5000;
const memoryRuns = 5;
const begin = "<!-- measured by `npm run bench`: begin -->";
const end = "<!-- measured by `npm run bench`: end -->";
const headings = ["", "Cufflink", "Target", "daprd"] as const;

/** A line of the table: the values of each program, in the order in which they were measured. */
type Row = {
  readonly what: string;
  readonly unit: string;
  readonly digits: number;
  readonly target?: number;
  readonly cufflink: number[];
  /** Absent: there is nothing of the kind to measure. */
  readonly daprd?: number[];
};

// Other work on the machine makes all that is told in wall time slower: the table says how much there was.
const busyBefore = (loadavg()[0] ?? 0).toFixed(1);
const daprdProgram = process.env["DAPRD"] || undefined;
const folder = await mkdtemp(join(tmpdir(), "cufflink-bench-"));
const resources = join(folder, "components");
try {
  execFileSync(process.execPath, [join(root, "scripts/build.ts")], { stdio: "inherit" });
  await using redis = await startServer("redis");
  await mkdir(resources);
  await writeFile(join(resources, "redis.yaml"), component(`${redis.host}:${redis.port}`));
  const loads = join(folder, "loads");
  await mkdir(loads);
  const generator = chooseGenerator(loads);
  const rows = [...(await measureStarts()), ...(await measureCalls(generator))];
  console.log(`\n${textTable(rows)}\n`);
  if (!flags["dry-run"]) await save(rows, generator);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function component(redisHost: string): string {
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: redis
spec:
  type: bindings.redis
  version: v1
  metadata:
    - name: redisHost
      value: ${redisHost}
    - name: redisPassword
      value: ""
`;
}

async function measureStarts(): Promise<Row[]> {
  const cold: number[] = [];
  const warm = { cufflink: [] as number[], daprd: [] as number[] };
  const busy = { cufflink: [] as number[], daprd: [] as number[] };
  const memory = { cufflink: [] as number[], daprd: [] as number[] };
  const own = cufflink(resources, join(folder, "compiled"));
  const other = daprdProgram === undefined ? undefined : daprd(daprdProgram, resources);
  for (let run = 0; run < 3; run++) {
    await using running = await start(cufflink(resources, join(folder, `compiled-${run}`)));
    cold.push(running.started);
  }
  // The first start writes the compile cache that the others read.
  await (await start(own))[Symbol.asyncDispose]();
  for (let run = 0; run < Number(flags.starts); run++) {
    for (const subject of [own, other]) {
      if (subject === undefined) continue;
      await using running = await start(subject);
      const column = subject === own ? "cufflink" : "daprd";
      warm[column].push(running.started);
      busy[column].push(running.startedBusy);
      if (run >= memoryRuns) continue;
      await new Promise((resolve) => setTimeout(resolve, idleAfter));
      memory[column].push(residentMebibytes(running.pid));
    }
  }
  progress("start and memory");
  return [
    { what: "Start to serving", unit: "ms", digits: 0, target: 300, ...warm },
    { what: "CPU until serving", unit: "ms", digits: 0, ...busy },
    { what: "First start, no compile cache yet", unit: "ms", digits: 0, cufflink: cold },
    { what: "Resident memory, idle for 5 s", unit: "MiB", digits: 0, target: 100, ...memory },
  ];
}

async function measureCalls(generator: Generator): Promise<Row[]> {
  await using own = await start(cufflink(resources, join(folder, "compiled")));
  await using noOp = await start(noOpDaemon);
  await using floor = await start(echoServer);
  await using other =
    daprdProgram === undefined ? undefined : await start(daprd(daprdProgram, resources));
  const cases: { row: Row; running: Running; load: Load; values: number[] }[] = [];
  const addCase = (what: string, running: Running, protocol: Load["protocol"], name: string) => {
    const row: Row = { what, unit: "µs", digits: 1, cufflink: [], daprd: [] };
    const calls = Number(flags.calls);
    const add = (to: Running, values: number[]): void => {
      const load = { protocol, port: to.ports[protocol], component: name, calls };
      cases.push({ row, running: to, load, values });
    };
    add(running, row.cufflink);
    if (other !== undefined && running === own) add(other, row.daprd!);
    return row;
  };
  const rows = [
    addCase("CPU per gRPC call, bare echo on node:http2 (the floor)", floor, "grpc", "noop"),
    addCase("CPU per gRPC InvokeBinding, no-op binding", noOp, "grpc", "noop"),
    addCase("CPU per gRPC InvokeBinding, redis create", own, "grpc", "redis"),
    addCase("CPU per POST /v1.0/bindings, redis create", own, "http", "redis"),
  ];
  for (const { load } of cases) await generator.run(load);
  progress("warm-up");
  for (let round = 1; round <= Number(flags.rounds); round++) {
    for (const { running, load, values } of cases) {
      const before = processorSeconds(running.pid);
      await generator.run(load);
      values.push(((processorSeconds(running.pid) - before) / load.calls) * 1e6);
    }
    progress(`round ${round} of ${flags.rounds}`);
  }
  return rows;
}

function progress(done: string): void {
  process.stderr.write(`bench: ${done}: done\n`);
}

function cells(row: Row): string[] {
  const show = (values: readonly number[]): string => {
    const low = Math.min(...values).toFixed(row.digits);
    const high = Math.max(...values).toFixed(row.digits);
    return `${median(values).toFixed(row.digits)} ${row.unit} (${low}–${high})`;
  };
  const beside = row.daprd?.length ? show(row.daprd) : "–";
  return [
    row.what,
    show(row.cufflink),
    row.target === undefined ? "" : `at most ${row.target} ${row.unit}`,
    daprdProgram === undefined ? "not measured: DAPRD names no binary" : beside,
  ];
}

function textTable(rows: readonly Row[]): string {
  const lines = [[...headings], ...rows.map(cells)];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

async function save(rows: readonly Row[], generator: Generator): Promise<void> {
  const machine = {
    processor: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    load: `${generator.name}, ${inFlight} in flight, ${flags.calls} calls a round`,
    loadAverageBefore: busyBefore,
    date: new Date().toISOString().slice(0, 10),
  };
  const round = (_: string, value: unknown): unknown =>
    typeof value === "number" ? Math.round(value * 100) / 100 : value;
  await writeFormatted(
    join(import.meta.dirname, "results.json"),
    JSON.stringify({ machine, rows }, round, 2),
  );
  const table = [headings, headings.map(() => "---"), ...rows.map(cells)];
  const text = [
    begin,
    "",
    `Made by \`npm run bench\` on ${machine.date}: ${machine.processor}, ${machine.memory}, Node ${machine.node},`,
    `load by ${machine.load}; load average of the machine before it began: ${busyBefore}. Medians, in brackets the least and the most.`,
    "",
    ...table.map((line) => `| ${line.join(" | ")} |`),
    "",
    end,
  ].join("\n");
  const path = join(root, "docs/performance.md");
  const page = await readFile(path, "utf8");
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has lost its two marks`);
  const whole = page.slice(0, from) + text + page.slice(to + end.length);
  await writeFormatted(path, whole);
}

async function writeFormatted(path: string, text: string): Promise<void> {
  const { code } = await format(basename(path), text, { printWidth: 100 });
  await writeFile(path, code);
}

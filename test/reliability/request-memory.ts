// `npm run test:attacks`: what requests can make Cufflink and, with DAPRD=/path/to/daprd, that daprd hold: memory before,
// at the most and a minute later, and how fast health is answered meanwhile. Renews test/reliability/request-memory.json
// and the table in docs/reliability.md. It takes about 20 minutes, with daprd 40. Linux alone: the kernel tells the memory.
//
//   --attack NAME      this attack alone; may be repeated. Others keep their results
//   --contender NAME   cufflink or daprd alone
//   --rest S           seconds of rest (60)
//   --dry-run          prints, and writes nothing
//
// Exits with 1 where Cufflink kept more than 64 MiB.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { format } from "oxfmt";
import { handleSignals } from "../../bench/children.ts";
import { reservePort } from "../servers/ports.ts";
import { residentOf, type Probed } from "./attack-probe.ts";
import { attacks, type Attack } from "./request-attacks.ts";
import { componentText, prepareRuntime } from "./runtime.ts";

const { values: flags } = parseArgs({
  options: {
    attack: { type: "string", multiple: true, default: [] },
    contender: { type: "string", multiple: true, default: [] },
    rest: { type: "string", default: "60" },
    "dry-run": { type: "boolean", default: false },
  },
});

const contenders = ["cufflink", "daprd"] as const;
type Contender = (typeof contenders)[number];
type Cell = { readonly text: string; readonly date: string; readonly load: number };
type Results = {
  readonly machine: string;
  readonly daprd: string;
  readonly rows: Record<string, Partial<Record<Contender, Cell>>>;
};

/** The most that may be kept, in MiB. */
const mostKept = 64;
const root = join(import.meta.dirname, "../..");
const resultsFile = join(import.meta.dirname, "request-memory.json");
const page = join(root, "docs/reliability.md");
const begin = "<!-- measured by `npm run test:attacks`: begin -->";
const end = "<!-- measured by `npm run test:attacks`: end -->";

handleSignals();
const daprd = process.env["DAPRD"] || undefined;
const folder = await mkdtemp(join(tmpdir(), "cufflink-attacks-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
execFileSync(process.execPath, [join(root, "scripts/build.ts"), "--no-check"], {
  stdio: "inherit",
});

for (const attack of attacks) {
  if (flags.attack.length > 0 && !flags.attack.includes(attack.name)) continue;
  console.log(`\n${attack.name}: ${attack.title}`);
  for (const contender of contenders) {
    if (flags.contender.length > 0 && !flags.contender.includes(contender)) continue;
    if (contender === "daprd" && (attack.isOwn === true || daprd === undefined)) continue;
    const date = new Date().toISOString().slice(0, 16).replace("T", " ");
    const load = Math.round((loadavg()[0] ?? 0) * 10) / 10;
    const text = await measured(attack, contender);
    console.log(`  ${contender}: ${text}`);
    if (!flags["dry-run"]) await save(attack.name, contender, { text, date, load });
  }
}

async function measured(attack: Attack, contender: Contender): Promise<string> {
  const place = await mkdtemp(join(folder, `${contender}-`));
  const files = join(place, "files");
  await mkdir(files);
  await writeFile(join(files, "large"), Buffer.alloc(3_900_000, "x"));
  const webhook = await reservePort();
  const resources: Record<string, string> = {
    "files.yaml": componentText({
      ...{ name: "files", type: "bindings.localstorage", metadata: { rootPath: files } },
    }),
  };
  if (contender === "cufflink") {
    const address = { address: `127.0.0.1:${webhook}`, path: "/hook" };
    resources["hook.yaml"] = componentText({
      ...{ name: "hook", type: "bindings.webhook", metadata: { ...address, direction: "input" } },
    });
  }
  await using runtime = await prepareRuntime(contender, { folder: place, daprd }, { resources });
  await runtime.start();
  await wait(3000);
  const before = residentOf(runtime.pid());
  const probe = new Worker(new URL("attack-probe.ts", import.meta.url), {
    workerData: { pid: runtime.pid(), httpPort: runtime.httpPort },
  });
  const probed = new Promise<Probed>((resolve, reject) => {
    probe.once("message", resolve);
    probe.once("error", reject);
  });
  const ports = { http: runtime.httpPort, grpc: runtime.grpcPort, webhook };
  const seen = await attack.harm(ports);
  probe.postMessage("over");
  const { peak, p99, slowest } = await probed;
  await probe.terminate();
  await wait(Number(flags.rest) * 1000);
  const after = residentOf(runtime.pid());
  if (contender === "cufflink" && after > before + mostKept) process.exitCode = 1;
  const memory = `${before} → ${peak} MiB, ${after} after ${flags.rest} s`;
  return `${memory}; health p99 ${p99} ms, slowest ${slowest} ms${seen === "" ? "" : `; ${seen}`}`;
}

async function save(row: string, contender: Contender, cell: Cell): Promise<void> {
  const known = JSON.parse(
    await readFile(resultsFile, "utf8").catch(() => "{}"),
  ) as Partial<Results>;
  const memory = Math.round(totalmem() / 2 ** 30);
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${memory} GiB, Node ${process.version}`;
  const version = daprd === undefined ? known.daprd : execFileSync(daprd, ["--version"]).toString();
  const results: Results = {
    machine,
    daprd: (version ?? "").trim(),
    rows: { ...known.rows, [row]: { ...known.rows?.[row], [contender]: cell } },
  };
  await writeFormatted(resultsFile, JSON.stringify(results));
  const text = await readFile(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has lost its two marks`);
  const fresh = `${begin}\n\n${table(results)}\n\n${end}`;
  await writeFormatted(page, text.slice(0, from) + fresh + text.slice(to + end.length));
}

function table({ machine, daprd, rows }: Results): string {
  const cells = Object.values(rows).flatMap((of) => Object.values(of));
  const dates = cells.map(({ date }) => date).sort();
  const loadsOf = (contender: Contender): string => {
    const loads = Object.values(rows).flatMap((of) => of[contender]?.load ?? []);
    return `${contender} ${Math.min(...loads)} to ${Math.max(...loads)}`;
  };
  const lines = [
    ["Attack", "Cufflink", "daprd"],
    ["---", "---", "---"],
    ...attacks.map(({ name, title, isOwn }) => [
      title,
      rows[name]?.cufflink?.text ?? "not run",
      isOwn === true ? "–" : (rows[name]?.daprd?.text ?? "not run"),
    ]),
  ];
  return [
    `Measured on ${machine}, against daprd ${daprd}, from ${dates[0]} to ${dates.at(-1)} (UTC), by \`DAPRD=daprd npm run test:attacks\`. Load average before a cell: ${contenders.map(loadsOf).join(", ")}. Times of health say little of a machine that others used.`,
    "",
    ...lines.map((line) => `| ${line.join(" | ")} |`),
  ].join("\n");
}

async function writeFormatted(path: string, text: string): Promise<void> {
  const { code } = await format(basename(path), text, { printWidth: 100 });
  await writeFile(path, code);
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

import { writeComponents } from "../component.ts";
import { residentMebibytes } from "../measure/process.ts";
import { median } from "../measure/statistics.ts";
import { bareServer, type Circumstances, start, type Subject } from "../subject.ts";
import { daemonSubject } from "./calls.ts";
import type { Bench, Contender, ContenderName, Row, Sample } from "./row.ts";

const startsOfRound = 3;
const idle = 5000;

/** What it costs to be there. */
export const startMemoryRow: Row = {
  name: "start-memory",
  title: "one redis output, nothing called",
  contenders: ["cufflink", "daprd", "floor"],
  requirements: [
    { measure: "start", contender: "cufflink", of: "floor", atMost: 2.5, aim: 1.8 },
    { measure: "memory", contender: "cufflink", atMost: 100 },
  ],
  open: (contender, bench) => openStarts(contender, bench, 1),
};

/** What thirty of them cost. */
export const manyComponentsRow: Row = {
  ...startMemoryRow,
  name: "start-memory-30",
  title: "thirty redis outputs, nothing called",
  contenders: ["cufflink", "daprd"],
  requirements: [],
  open: (contender, bench) => openStarts(contender, bench, 30),
};

async function openStarts(
  contender: ContenderName,
  bench: Bench,
  components: number,
): Promise<Contender> {
  return startsContender(await subjectOf(contender, bench, components), bench.circumstances);
}

/** Starts it several times a round, and leaves it idle the last time. */
export async function startsContender(
  subject: Subject,
  circumstances: Circumstances,
): Promise<Contender> {
  // The first start leaves the compile cache that the others read.
  await (await start(subject, circumstances))[Symbol.asyncDispose]();
  return {
    round: () => round(subject, circumstances),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function subjectOf(
  contender: ContenderName,
  bench: Bench,
  components: number,
): Promise<Subject> {
  if (contender === "floor") return bareServer;
  const redis = await bench.systems.redis();
  const metadata = { redisHost: `${redis.host}:${redis.port}`, redisPassword: "" };
  const all = Array.from({ length: components }, (_, index) => ({
    ...{ name: `redis-${index}`, type: "redis", metadata },
  }));
  const resources = await writeComponents(bench.folder, all);
  return daemonSubject(contender, bench, { resources });
}

async function round(subject: Subject, circumstances: Circumstances): Promise<Sample> {
  const started: number[] = [];
  const busy: number[] = [];
  let memory = 0;
  for (let times = 0; times < startsOfRound; times++) {
    await using running = await start(subject, circumstances);
    started.push(running.started);
    busy.push(running.startedBusy);
    if (times < startsOfRound - 1) continue;
    await new Promise((resolve) => setTimeout(resolve, idle));
    memory = residentMebibytes(running.pid);
  }
  return { start: median(started), startCpu: median(busy), memory };
}

// What the rows of inputs have in common. In each round each contender gets a new topic, queue or session: filled first,
// then emptied as fast as it can (rate and CPU, without the first quarter), then events at a fixed rate (latencies). All must arrive.
import { join } from "node:path";
import { releasePort, reservePort } from "../../test/servers/ports.ts";
import { AppProcess } from "../apps/app-process.ts";
import type { AppOrder, FromApp } from "../apps/report.ts";
import { benchGo } from "../bench-go.ts";
import { writeComponent } from "../component.ts";
import { peakMebibytes } from "../measure/process.ts";
import { type Running, start } from "../subject.ts";
import { daemonSubject } from "./calls.ts";
import { type EventSource, fill, sendPaced } from "./event-source.ts";
import { Missing } from "../missing.ts";
import type { Bench, Contender, ContenderName, Sample } from "./row.ts";

export type EventWork = {
  /** How the floor calls the system. */
  readonly system:
    | "kafka"
    | "rabbitmq"
    | "mqtt"
    | "nats"
    | "redis-streams"
    | "sqs"
    | "storage-queues"
    | "pubsub";
  readonly keys: number;
  /** Whether the events of a key must arrive in order. */
  readonly ordered: boolean;
  /** Events that wait when the runtime starts. */
  readonly waiting: number;
  /** Events a second for the latencies, and how many; 0: none are taken. */
  readonly latencyRate: number;
  readonly paced: number;
  open(): Promise<EventSource>;
  /** Of the runtime, beside the usual ones. */
  readonly flags?: readonly string[];
};

/** The folder in which the vendor's client of a row's system is installed. */
const clientVariable = "VENDOR_CLIENT";

type Drained = Extract<FromApp, { kind: "drained" }>;

/** Each round starts the runtime and its app anew. */
export async function eventContender(
  contender: ContenderName,
  bench: Bench,
  work: EventWork,
): Promise<Contender> {
  if (contender === "daprd" && bench.daprd === undefined) {
    throw new Missing("DAPRD names no binary");
  }
  if (contender === "before" && bench.before === undefined) {
    throw new Missing("BEFORE names no checkout");
  }
  if (contender === "client" && !process.env[clientVariable]) {
    throw new Missing(`${clientVariable} names no folder where the vendor's client is installed`);
  }
  if (programOf(contender) === "bench-go") await benchGo();
  return {
    round: () => eventRound(contender, bench, work),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function eventRound(
  contender: ContenderName,
  bench: Bench,
  work: EventWork,
): Promise<Sample> {
  const { keys, waiting, paced, latencyRate } = work;
  await using source = await work.open();
  await fill(source, { keys, first: 0, count: waiting });
  const port = await reservePort();
  const { address } = source;
  const warm = Math.max(1, Math.floor(waiting / 4));
  const order: AppOrder = { port, address, source: source.source, keys, waiting, warm, paced };
  let sample: Sample;
  try {
    await using app = await startApp(contender, order, work, bench);
    await using runtime = await startRuntime(
      contender,
      { appPort: port, flags: work.flags ?? [] },
      source,
      app,
      bench,
    );
    const drained = drainedSample(await app.message("drained", waiting), waiting - warm);
    const peak = runtime === undefined ? {} : { peak: peakMebibytes(runtime.pid) };
    sample = { ...drained, ...peak };
    if (paced > 0) await sendPaced(source, { keys, first: waiting, count: paced }, latencyRate);
    const last = await app.message(paced > 0 ? "paced" : "drained", waiting + paced);
    const { duplicates, outOfOrder } = last.counts;
    const latencies = last.kind === "paced" ? last.latencies : {};
    sample = { ...sample, ...latencies, duplicates, outOfOrder };
    if (work.ordered && outOfOrder > 0) {
      throw new Error(`${outOfOrder} of ${waiting + paced} events arrived out of order`);
    }
    await runtime?.[Symbol.asyncDispose]();
  } finally {
    await releasePort(port);
  }
  // A floor is killed with its last acknowledgements under way.
  const left = isFloor(contender) ? 0 : ((await source.unsettled?.()) ?? 0);
  if (left > 0) throw new Error(`${left} events were handled and never acknowledged`);
  return sample;
}

function drainedSample(drained: Drained, events: number): Sample {
  return {
    rate: events / drained.seconds,
    cpu: (drained.runtimeSeconds / events) * 1e6,
    appCpu: (drained.appSeconds / events) * 1e6,
  };
}

async function startApp(
  contender: ContenderName,
  order: AppOrder,
  { system }: EventWork,
  { circumstances: { pin } }: Bench,
): Promise<AppProcess> {
  const program = programOf(contender);
  const command = program === "bench-go" ? [await benchGo(), "app"] : nodeProgram(program);
  const more = isFloor(contender) ? [contender === "client" ? `${system}-client` : system] : [];
  const app = new AppProcess(program, command, order, more, pin);
  if (isFloor(contender)) return app;
  await app.message("listening", 0);
  return app;
}

/** Reads the source itself: with the raw protocol, or with the vendor's client. */
function isFloor(contender: ContenderName): boolean {
  return contender === "floor" || contender === "client";
}

/** The app of a contender, or the floor that takes its place: the same unary app for all. */
function programOf(contender: ContenderName): "event-floor.ts" | "stream-app.ts" | "bench-go" {
  if (isFloor(contender)) return "event-floor.ts";
  const streams = ["before", "cufflink-stream", "cufflink-forgetful", "cufflink-relay"].includes(
    contender,
  );
  return streams ? "stream-app.ts" : "bench-go";
}

function nodeProgram(file: string): string[] {
  return [process.execPath, join(import.meta.dirname, "../programs", file)];
}

async function startRuntime(
  contender: ContenderName,
  { appPort, flags: own }: { appPort: number; flags: readonly string[] },
  source: EventSource,
  app: AppProcess,
  bench: Bench,
): Promise<Running | undefined> {
  if (isFloor(contender)) return undefined;
  const resources = await writeComponent(bench.folder, source.component);
  const forgets = contender === "cufflink-forgetful" ? ["--enable-event-history=false"] : [];
  const flags = [...forgets, ...own];
  const subject = daemonSubject(contender, bench, { resources, appPort, flags });
  const environment = { ...bench.circumstances.environment, ...source.environment };
  return start(subject, { ...bench.circumstances, environment }, (pid) => app.measure(pid));
}

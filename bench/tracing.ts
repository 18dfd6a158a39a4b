// `npm run bench:tracing`: the processor time that recording 1 % of the calls costs each call of a no-op binding. Two daemons, one
// without traces and one that exports them to this process, take turns; the median of the rounds' differences counts.
//
//   --rounds N    20
//   --calls N     of a round, 80000
//   --pin         what is measured on the first processor, the load generator on the second
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { handleSignals } from "./children.ts";
import { writeComponent } from "./component.ts";
import { runGrpcLoad } from "./load/grpc-load.ts";
import { processorSeconds } from "./measure/process.ts";
import { median } from "./measure/statistics.ts";
import { grpcTarget } from "./rows/calls.ts";
import { cufflinkWithNoOp, start, type Running } from "./subject.ts";
import { createInvocation } from "./wire/grpc.ts";

/** The most that is allowed, in microseconds a call. */
const atMost = 0.5;
const inFlight = 64;

/** Which calls, and what is set so that 1 % of them are recorded. */
const cases = [
  {
    title: "calls without a traceparent",
    identical: true,
    sampler: "parentbased_traceidratio",
  },
  {
    title: "calls with a traceparent of their own",
    identical: false,
    sampler: "traceidratio",
  },
] as const;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    calls: { type: "string", default: "80000" },
    pin: { type: "boolean", default: false },
  },
});
const rounds = Number(flags.rounds);
const calls = Number(flags.calls);

handleSignals();
const root = join(import.meta.dirname, "..");
execFileSync(process.execPath, [join(root, "scripts/build.ts"), "--no-check"], {
  stdio: "inherit",
});
const folder = await mkdtemp(join(tmpdir(), "cufflink-tracing-"));
try {
  console.log(`load average before: ${loadavg()[0]?.toFixed(2)}`);
  for (const one of cases) await measure(one);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure({ title, identical, sampler }: (typeof cases)[number]): Promise<void> {
  await using receiver = await startReceiver();
  await using off = await startDaemon({});
  await using on = await startDaemon({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_TRACES_SAMPLER: sampler,
    OTEL_TRACES_SAMPLER_ARG: "0.01",
  });
  const cost = (running: Running): Promise<number> => microseconds(running, identical);
  // For the compilers.
  await cost(off);
  await cost(on);
  const costs = { off: [] as number[], on: [] as number[], more: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    // Each goes first every other time.
    const first = round % 2 === 0 ? await cost(off) : await cost(on);
    const second = round % 2 === 0 ? await cost(on) : await cost(off);
    const [without, traced] = round % 2 === 0 ? [first, second] : [second, first];
    costs.off.push(without);
    costs.on.push(traced);
    costs.more.push(traced - without);
    process.stderr.write(
      `${title}: round ${round + 1} of ${rounds}: ${without.toFixed(2)} off, ${traced.toFixed(2)} at 1 %\n`,
    );
  }
  const more = median(costs.more);
  console.log(
    `${title}: ${median(costs.off).toFixed(2)} µs off, ${median(costs.on).toFixed(2)} µs at 1 %, ` +
      `${more.toFixed(2)} µs more (median of ${rounds} differences; at most ${atMost}); ` +
      `${receiver.exports()} exports with ${receiver.bytes()} bytes`,
  );
  if (receiver.exports() === 0) throw new Error("nothing was exported");
  if (more > atMost) process.exitCode = 1;
}

async function startDaemon(environment: Readonly<Record<string, string>>): Promise<Running> {
  const below = await mkdtemp(join(folder, "daemon-"));
  const compileCache = join(below, "compiled");
  await mkdir(compileCache);
  const resources = await writeComponent(below, { name: "noop", type: "noop", metadata: {} });
  const circumstances = { pin: flags.pin, compileCache, environment };
  return start(cufflinkWithNoOp({ resources }, circumstances), circumstances);
}

/** Processor time of the daemon for each of a round's calls. */
async function microseconds(running: Running, identical: boolean): Promise<number> {
  const target = grpcTarget(running, createInvocation("noop", { key: "bench" }));
  const before = processorSeconds(running.pid);
  await runGrpcLoad(folder, target, { calls, inFlight, identical }, flags.pin);
  return ((processorSeconds(running.pid) - before) / calls) * 1e6;
}

/** Takes all exports. */
async function startReceiver() {
  let exports = 0;
  let bytes = 0;
  const server = createServer((request, response) => {
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => {
      exports++;
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exports: () => exports,
    bytes: () => bytes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// What the rows of single calls have in common: load for rate and CPU, then latencies at a fixed rate.
import { createCaller, type Target } from "../load/calls.ts";
import { runGrpcLoad } from "../load/grpc-load.ts";
import { type Result, runH2load } from "../load/h2load.ts";
import { measureLatency } from "../load/latency.ts";
import { processorSeconds } from "../measure/process.ts";
import { type Component, writeComponent } from "../component.ts";
import { before, cufflink, daprd, start, type Running, type Subject } from "../subject.ts";
import {
  grpcInvocation,
  httpInvocation,
  type Invocation,
  invokeBindingPath,
} from "../wire/grpc.ts";
import { Missing } from "../missing.ts";
import type { Bench, Contender, ContenderName } from "./row.ts";

/** Calls under way at one time, unless a row says otherwise. */
const manyInFlight = 64;

/** The work of a contender once it runs. */
export type CallWork = {
  readonly target: Target;
  /** Calls of one round. */
  readonly calls: number;
  /** Calls a second for the latencies. */
  readonly latencyRate: number;
  readonly latencyCalls: number;
  /** How many operations the system has counted so far. */
  readonly counted?: () => Promise<number>;
  /** Bytes that each answer has at the least. */
  readonly answerBytes?: number;
  readonly inFlight?: number;
  /** gRPC: all calls have the same headers. */
  readonly identical?: boolean;
  /** Operations in a call. Default 1. */
  readonly operations?: number;
};

/** Drives a running program, which ends with the contender. */
export async function callContender(
  running: Running,
  bench: Bench,
  work: CallWork,
): Promise<Contender> {
  const {
    target,
    calls,
    latencyRate,
    latencyCalls,
    operations = 1,
    inFlight = manyInFlight,
    identical,
  } = work;
  const { folder } = bench;
  const { pin } = bench.circumstances;
  const load = (calls: number): Promise<Result> =>
    target.protocol === "grpc"
      ? runGrpcLoad(folder, target, { calls, inFlight, ...(identical && { identical }) }, pin)
      : runH2load(folder, target, { calls, inFlight }, pin);
  const run = async (count: number): Promise<number> => {
    const before = (await work.counted?.()) ?? 0;
    const { rate, bodyBytes } = await load(count);
    // The system's own count, or the bytes, tell what was done.
    const counted = ((await work.counted?.()) ?? count * operations) - before;
    if (counted !== count * operations) {
      throw new Error(`${running.name}: of ${count * operations} operations ${counted} were done`);
    }
    if (bodyBytes < count * (work.answerBytes ?? 0)) {
      throw new Error(`${running.name}: the answers of ${count} calls have ${bodyBytes} bytes`);
    }
    return rate * operations;
  };
  // One call whose status is looked at, then as many as a round has, for the compilers.
  using caller = createCaller(target);
  await caller.call();
  await run(calls);
  return {
    async round() {
      const before = processorSeconds(running.pid);
      const rate = await run(calls);
      const cpu = ((processorSeconds(running.pid) - before) / (calls * operations)) * 1e6;
      const latencies = await measureLatency(bench.folder, target, latencyCalls, latencyRate);
      return { rate, cpu, ...latencies };
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** Cufflink or daprd with the component. */
export async function startDaemon(
  contender: ContenderName,
  bench: Bench,
  component: Component,
): Promise<Running> {
  const options = { resources: await writeComponent(bench.folder, component) };
  return start(daemonSubject(contender, bench, options), bench.circumstances);
}

/** Which daemon the contender is. */
export function daemonSubject(
  contender: ContenderName,
  bench: Bench,
  options: Parameters<typeof cufflink>[0],
): Subject {
  if (contender === "before") {
    if (bench.before === undefined) throw new Missing("BEFORE names no checkout");
    return before(bench.before, options, bench.circumstances);
  }
  if (contender !== "daprd") return cufflink(options, bench.circumstances);
  if (bench.daprd === undefined) throw new Missing("DAPRD names no binary");
  return daprd(bench.daprd, options);
}

/** The target of an invocation over gRPC. */
export function grpcTarget({ ports }: Running, invocation: Invocation): Target {
  const body = grpcInvocation(invocation);
  return { protocol: "grpc", port: ports.grpc, path: invokeBindingPath, body };
}

/** The target of an invocation over `/v1.0/bindings`; a floor has one port only. */
export function httpTarget(port: number, invocation: Invocation): Target {
  const path = `/v1.0/bindings/${invocation.component}`;
  return { protocol: "http", port, path, body: httpInvocation(invocation) };
}

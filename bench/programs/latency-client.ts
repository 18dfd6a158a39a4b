// Prints the latencies of calls, in milliseconds, as JSON. With a rate, each call is due at its moment whether or not
// the calls before it were answered, and its latency counts from that moment; without, one call follows the other.
import { readFile } from "node:fs/promises";
import { type Caller, createCaller, type Target } from "../load/calls.ts";
import { type LatencyOrder, warmUpCalls } from "../load/latency.ts";
import { pace } from "../measure/pacer.ts";
import { percentiles } from "../measure/statistics.ts";
import { nowMicroseconds } from "../wire/payload.ts";

const order = JSON.parse(process.argv[2] ?? "") as LatencyOrder;
const target: Target = { ...order, body: await readFile(order.bodyFile) };
using caller = createCaller(target);
const measure = order.rate === undefined ? oneByOne : atRate;
await oneByOne(caller, warmUpCalls);
console.log(JSON.stringify(percentiles(await measure(caller, order.calls))));

async function oneByOne(caller: Caller, count: number): Promise<Float64Array> {
  const latencies = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const began = performance.now();
    await caller.call();
    latencies[index] = performance.now() - began;
  }
  return latencies;
}

async function atRate(caller: Caller, count: number): Promise<Float64Array> {
  const latencies = new Float64Array(count);
  const calls: Promise<void>[] = [];
  await pace(order.rate ?? 0, count, (index, meant) => {
    const answered = (): void => {
      latencies[index] = (nowMicroseconds() - meant) / 1000;
    };
    calls.push(caller.call().then(answered));
  });
  await Promise.all(calls);
  return latencies;
}

// Prints what a stream of invocations did, as JSON: so many a second with a number of them under way, or with a rate the
// latencies in milliseconds, each from the moment at which the invocation was meant to be sent.
import { InvokeStream } from "../load/invoke-stream.ts";
import type { StreamOrder } from "../load/stream-load.ts";
import { pace } from "../measure/pacer.ts";
import { percentiles } from "../measure/statistics.ts";
import { streamFrame } from "../wire/bulk.ts";
import { createInvocation } from "../wire/grpc.ts";
import { nowMicroseconds, plainPayload } from "../wire/payload.ts";

const order = JSON.parse(process.argv[2] ?? "") as StreamOrder;
const { port, component, inFlight, invocations, rate } = order;
const invocation = createInvocation(component, { key: "bench" });
const part = { data: plainPayload, first: true, last: true };
// At full speed numbers are used again, and so are their frames.
const numbers = rate === undefined ? inFlight : invocations;
const frames = Array.from({ length: numbers }, (_, index) =>
  streamFrame(index + 1, invocation, part),
);
console.log(JSON.stringify(rate === undefined ? await atFullSpeed() : await atRate(rate)));

async function atFullSpeed(): Promise<{ rate: number; appCpu: number }> {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  let left = invocations - inFlight;
  let answered = 0;
  let next: Buffer[] = [];
  using stream = new InvokeStream(port, {
    answered(number) {
      answered++;
      if (left-- > 0) next.push(frames[number - 1]!);
    },
    turn() {
      if (answered === invocations) return resolve();
      if (next.length > 0) stream.send(Buffer.concat(next));
      next = [];
    },
    failed: reject,
  });
  const before = process.cpuUsage();
  const began = performance.now();
  stream.send(Buffer.concat(frames));
  await done;
  const { user, system } = process.cpuUsage(before);
  return {
    rate: (invocations / (performance.now() - began)) * 1000,
    appCpu: (user + system) / invocations,
  };
}

async function atRate(perSecond: number): Promise<object> {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const latencies = new Float64Array(invocations);
  const meantAt = new Float64Array(invocations);
  let answered = 0;
  using stream = new InvokeStream(port, {
    answered(number) {
      latencies[answered++] = (nowMicroseconds() - meantAt[number - 1]!) / 1000;
    },
    turn: () => answered === invocations && resolve(),
    failed: reject,
  });
  await pace(perSecond, invocations, (index, meant) => {
    meantAt[index] = meant;
    stream.send(frames[index]!);
  });
  await done;
  return percentiles(latencies);
}

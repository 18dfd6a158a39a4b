import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { daprVersion, version } from "../version.ts";
import type { Collection } from "./collection.ts";
import type { NumberDefinition } from "./metric-model.ts";

/** How often the event loop is asked how late it is, in milliseconds. */
const resolution = 20;
/** Seconds since 1970. */
const startedAt = Math.round(Date.now() / 1000 - process.uptime());

type Reading = NumberDefinition & {
  /** `undefined`: this system does not tell. */
  readonly value: () => number | undefined;
};

const readings: readonly Reading[] = [
  {
    ...{ name: "process_cpu_seconds_total", type: "counter", unit: "s" },
    otelName: "process.cpu.time",
    help: "Processor time, of user and system.",
    value() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    ...{ name: "process_resident_memory_bytes", type: "gauge", unit: "By" },
    otelName: "process.memory.usage",
    help: "Resident memory.",
    value: () => process.memoryUsage.rss(),
  },
  {
    ...{ name: "process_start_time_seconds", type: "gauge", unit: "s" },
    otelName: "process.start_time",
    help: "When the process started, since 1970.",
    value: () => startedAt,
  },
  {
    ...{ name: "process_open_fds", type: "gauge", unit: "{file_descriptor}" },
    otelName: "process.unix.file_descriptor.count",
    help: "Open files and sockets.",
    value: openFiles,
  },
  {
    ...{ name: "nodejs_heap_size_used_bytes", type: "gauge", unit: "By" },
    otelName: "nodejs.heap.used",
    help: "Memory of JavaScript objects.",
    value: () => process.memoryUsage().heapUsed,
  },
  {
    ...{ name: "nodejs_external_memory_bytes", type: "gauge", unit: "By" },
    otelName: "nodejs.external_memory",
    help: "Memory outside of the heap that JavaScript objects hold, payloads above all.",
    value: () => process.memoryUsage().external,
  },
];

const build: NumberDefinition = {
  ...{ name: "cufflink_build_info", type: "info", unit: "" },
  help: "1; its labels are the versions.",
};

type DelayHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** The event loop's delay since the collection before. */
const delays = (
  [
    ["mean", ({ mean }) => mean],
    ["p99", (histogram) => histogram.percentile(99)],
    ["max", ({ max }) => max],
  ] satisfies (readonly [name: string, of: (histogram: DelayHistogram) => number])[]
).map(([name, of]): NumberDefinition & { readonly of: typeof of } => ({
  ...{ name: `nodejs_eventloop_lag_${name}_seconds`, type: "gauge", unit: "s", of },
  help: `The event loop's delay since the collection before: ${name}.`,
  otelName: `nodejs.eventloop.delay.${name}`,
}));

/** By who collects: each is told what was since it last asked. */
const delayed = new Map<string, DelayHistogram>();

/**
 * Writes what the process itself takes, under the names that Prometheus' client libraries use. The event loop is watched from
 * the first collection on: a process that nobody asks does not wake up for it.
 */
export function writeProcess(page: Collection, collector: string): void {
  page.number(build, { version, node_version: process.version, dapr_version: daprVersion }, 1);
  for (const { value, ...definition } of readings) {
    const number = value();
    if (number !== undefined) page.number(definition, {}, number);
  }
  const delay = delayed.get(collector);
  if (delay === undefined) {
    const begun = monitorEventLoopDelay({ resolution });
    begun.enable();
    delayed.set(collector, begun);
    return;
  }
  for (const { of, ...definition } of delays) {
    // Nanoseconds, of which the timer's own interval is none; nothing was measured since a collection just before.
    const nanoseconds = delay.count === 0 ? 0 : of(delay) - resolution * 1e6;
    page.number(definition, {}, Math.max(0, nanoseconds) / 1e9);
  }
  delay.reset();
}

function openFiles(): number | undefined {
  try {
    // One of them is the look itself.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return undefined;
  }
}

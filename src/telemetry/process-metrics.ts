import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { daprVersion, version } from "../version.ts";
import type { Exposition } from "./exposition.ts";

/** How often the event loop is asked how late it is, in milliseconds. */
const resolution = 20;
/** Seconds since 1970. */
const startedAt = Math.round(Date.now() / 1000 - process.uptime());

type Reading = {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** `undefined`: this system does not tell. */
  readonly value: () => number | undefined;
};

const readings: readonly Reading[] = [
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "Processor time, of user and system.",
    value() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Resident memory.",
    value: () => process.memoryUsage.rss(),
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When the process started, since 1970.",
    value: () => startedAt,
  },
  {
    name: "process_open_fds",
    type: "gauge",
    help: "Open files and sockets.",
    value: openFiles,
  },
  {
    name: "nodejs_heap_size_used_bytes",
    type: "gauge",
    help: "Memory of JavaScript objects.",
    value: () => process.memoryUsage().heapUsed,
  },
  {
    name: "nodejs_external_memory_bytes",
    type: "gauge",
    help: "Memory outside of the heap that JavaScript objects hold, payloads above all.",
    value: () => process.memoryUsage().external,
  },
];

type DelayHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** The event loop's delay since the page before. */
const delays: readonly (readonly [name: string, of: (histogram: DelayHistogram) => number])[] = [
  ["mean", ({ mean }) => mean],
  ["p99", (histogram) => histogram.percentile(99)],
  ["max", ({ max }) => max],
];

let delay: DelayHistogram | undefined;

/**
 * Writes what the process itself takes, under the names that Prometheus' client libraries use. The event loop is watched from
 * the first page on: a process that nobody scrapes does not wake up for it.
 */
export function writeProcess(page: Exposition, appId: string): void {
  const labels = { app_id: appId };
  page.metric("cufflink_build_info", "gauge", "1; its labels are the versions.");
  const versions = { version, node_version: process.version, dapr_version: daprVersion };
  page.sample("cufflink_build_info", { ...labels, ...versions }, 1);
  for (const { name, type, help, value } of readings) {
    const number = value();
    if (number === undefined) continue;
    page.metric(name, type, help);
    page.sample(name, labels, number);
  }
  if (delay === undefined) {
    delay = monitorEventLoopDelay({ resolution });
    delay.enable();
    return;
  }
  for (const [name, of] of delays) {
    const metric = `nodejs_eventloop_lag_${name}_seconds`;
    page.metric(metric, "gauge", `The event loop's delay since the page before: ${name}.`);
    // Nanoseconds, of which the timer's own interval is none; nothing was measured since a page just before.
    const nanoseconds = delay.count === 0 ? 0 : of(delay) - resolution * 1e6;
    page.sample(metric, labels, Math.max(0, nanoseconds) / 1e9);
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

import type { Circumstances } from "../subject.ts";
import type { Systems } from "../systems/systems.ts";

/** Who takes part in a row. A row of two ways in has one `cufflink-…` for each; `before` is another build of it. */
export type ContenderName =
  | "cufflink"
  | "cufflink-unary"
  | "cufflink-batch"
  | "cufflink-stream"
  | "cufflink-forgetful"
  | "cufflink-lazy"
  | "cufflink-opened"
  | "cufflink-sqlite"
  | "cufflink-nats"
  | "cufflink-relay"
  | "cufflink-1"
  | "cufflink-2"
  | "cufflink-3"
  | "cufflink-workers"
  | "before"
  | "daprd"
  | "grpc-go"
  | "client"
  | "floor";

/** What is measured, with its unit and digits after the point. */
export const measures = {
  cpu: { title: "CPU per operation", unit: "µs", digits: 1 },
  rate: { title: "rate", unit: "/s", digits: 0 },
  p50: { title: "latency p50", unit: "ms", digits: 2 },
  p90: { title: "latency p90", unit: "ms", digits: 2 },
  p99: { title: "latency p99", unit: "ms", digits: 2 },
  start: { title: "start to serving", unit: "ms", digits: 0 },
  startCpu: { title: "CPU until serving", unit: "ms", digits: 0 },
  memory: { title: "resident memory", unit: "MiB", digits: 0 },
  peak: { title: "most resident memory", unit: "MiB", digits: 0 },
  ofIdle: { title: "resident memory beside idle", unit: "×", digits: 2 },
  growth: { title: "growth of resident memory", unit: "MiB", digits: 1 },
  duplicates: { title: "events delivered again", unit: "", digits: 0 },
  outOfOrder: { title: "events out of order", unit: "", digits: 0 },
  serverCpu: { title: "CPU of all servers per operation", unit: "µs", digits: 1 },
  failover: { title: "time until another replica reads, p50", unit: "ms", digits: 0 },
  longestFailover: { title: "the longest", unit: "ms", digits: 0 },
  appCpu: { title: "CPU of the app per operation", unit: "µs", digits: 1 },
} as const;

export type Measure = keyof typeof measures;

/** What one round of one contender gave. */
export type Sample = Partial<Record<Measure, number>>;

/** One of a row, ready to be measured. */
export type Contender = AsyncDisposable & { round(): Promise<Sample> };

/** What a median has to reach: a factor of another contender's, or a figure where `of` is absent. */
export type Requirement = {
  readonly measure: Measure;
  readonly contender: ContenderName;
  readonly of?: ContenderName;
  readonly atMost?: number;
  readonly atLeast?: number;
  /** What is hoped for beyond it. */
  readonly aim?: number;
};

/** A line of the bench. */
export type Row = {
  /** For `--row`. */
  readonly name: string;
  readonly title: string;
  /** Operations a second at which the latencies are taken. Absent: there are none, or one call at a time. */
  readonly latencyRate?: number;
  /** The contenders' rounds run beside each other: they mostly wait, and only memory is measured. */
  readonly atOnce?: boolean;
  readonly contenders: readonly ContenderName[];
  readonly requirements: readonly Requirement[];
  /** Called for each contender before the first round; all stay open until the last. */
  open(contender: ContenderName, bench: Bench): Promise<Contender>;
};

/** What rows are given. */
export type Bench = {
  /** For files of the run; it goes with it. */
  readonly folder: string;
  /** daprd's binary. Absent: it is not measured. */
  readonly daprd: string | undefined;
  /** A checkout that was built, to be measured beside this one. Absent: there is none. */
  readonly before: string | undefined;
  readonly systems: Systems;
  readonly circumstances: Circumstances;
  /** A count, made smaller by `--scale`, and never 0. */
  count(full: number): number;
};

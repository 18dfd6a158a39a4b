import { BindingError } from "../../src/errors.ts";
import { overAll } from "../../src/fleet/description.ts";
import type { ReplicaRecord } from "../../src/store/replicas.ts";
import type { DeadLetterTotal } from "../../src/store/store.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import type { ComponentStatus } from "../../src/runtime/status.ts";
import { telemetryDropped } from "../../src/telemetry/metric-model.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import type { MetricsOptions } from "../../src/telemetry/metrics.ts";

export const noEnds = { "dead letter": 0, output: 0, dropped: 0, returned: 0, duplicate: 0 };

export const component: ComponentStatus = {
  name: "store",
  type: "bindings.redis",
  version: "v1",
  state: "waiting for app",
  reason: "",
  since: new Date(),
  origin: "",
  directions: { input: true, output: true },
  operations: ["create"],
  inFlight: 3,
  maxInFlight: 64,
  waiting: 2,
  handled: 7,
  endedOtherwise: { ...noEnds, "dead letter": 1 },
  attempts: 8,
  failedAttempts: 1,
  oldestFailed: undefined,
  attemptTime: 6,
  calls: { inFlight: 1, invocations: 4, failures: 2, time: 8 },
  required: false,
  readiness: "optional",
  paused: undefined,
  rebuilds: 0,
  backlog: 12,
  oldestSince: undefined,
  windowFull: false,
  breakers: [],
};

const everything: ComponentStatus = {
  ...component,
  oldestSince: new Date(Date.now() - 5000),
  windowFull: true,
  rebuilds: 2,
  breakers: [{ direction: "inbound", name: 'odd "name"\\', state: "open" }],
};

/** A span as the tests name it. */
export const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };

const oneTotal = async (): Promise<DeadLetterTotal[]> => [
  { component: "store", count: 5, bytes: 1234, oldest: Date.now() - 60_000 },
];

const aReplica: ReplicaRecord = {
  ...{ id: "one", host: "here", version: "1", startedAt: 0 },
  components: [
    {
      ...{ name: "store", type: "bindings.redis", state: "running", reason: "" },
      ...{ inFlight: 0, backlog: 12, owns: true },
    },
  ],
};

/** Metrics of which each has a sample. */
export function fullMetrics(
  totals: () => Promise<DeadLetterTotal[]> = oneTotal,
  options?: MetricsOptions,
): Metrics {
  const counts = new Map([["store", { handled: 1, refused: 2, dropped: 3, expired: 4 }]]);
  const memory = new MemoryBudget(1000);
  const share = memory.share("http");
  share.reserve(400);
  share.reserve(400);
  const metrics = new Metrics(
    "shop",
    () => [everything],
    () => ({
      store: { trouble: "the disk is full" },
      deadLetters: { counts, totals },
      memory,
      concurrency: { used: 3, limit: 10 },
      fleet: {
        owns: () => ({ owns: true, since: 1_700_000_000_000 }),
        describe: async () => ({
          ...{ replica: "one", replicas: [aReplica, { ...aReplica, id: "two" }] },
          components: overAll([aReplica], [], new Map()),
        }),
      },
    }),
    options,
  );
  metrics.invoked("store", "create", undefined, 1.5, span);
  metrics.invoked("store", "create", new BindingError("not_found", "no such key"), 2);
  metrics.attempted("store", "handled", 4);
  metrics.attempted("store", "refused", 5);
  metrics.attempted("store", "not attempted", 0);
  metrics.ended("store", "dead letter");
  metrics.missed("store", 5, "no commit");
  metrics.missed("store", 7, "retention");
  metrics.missed("store", 5, "retention");
  metrics.relayed("store", "published", 3);
  metrics.leaseRenewed("store", true);
  metrics.leaseRenewed("store", false);
  metrics.reloaded({
    ...{ revision: 7, at: 0, outcome: "partly applied", components: [], problems: [] },
  });
  metrics.add((page) => page.number(telemetryDropped, { signal: "traces" }, 9));
  return metrics;
}

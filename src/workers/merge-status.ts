import type { ComponentStatus } from "../runtime/status.ts";
import type { Placement } from "./placement.ts";
import type { Snapshot } from "./api.ts";

/** Worst first: what one worker's connection is, the component is. */
const badStates: readonly ComponentStatus["state"][] = [
  ...(["failed", "reconnecting", "stalled", "starting"] as const),
];

/** Components as one process has them, of what its workers say; the order is that of the placements. */
export function mergeStatuses(
  placements: ReadonlyMap<string, Placement>,
  snapshots: readonly (Snapshot | undefined)[],
  /** Of components that all read, what workers that have ended had counted. */
  ended: ReadonlyMap<string, ComponentStatus> = new Map(),
): ComponentStatus[] {
  const byName = new Map<string, { worker: number; status: ComponentStatus }[]>();
  for (const [worker, snapshot] of snapshots.entries()) {
    for (const status of snapshot?.components ?? []) {
      const known = byName.get(status.name) ?? [];
      known.push({ worker, status });
      byName.set(status.name, known);
    }
  }
  const names = new Set([...placements.keys(), ...byName.keys()]);
  return [...names].flatMap(
    (name) => merged(byName.get(name) ?? [], placements.get(name), ended.get(name)) ?? [],
  );
}

function merged(
  all: readonly { readonly worker: number; readonly status: ComponentStatus }[],
  placement: Placement | undefined,
  ended: ComponentStatus | undefined,
): ComponentStatus | undefined {
  const own = all.find(({ worker }) => worker === placement?.owner) ?? all[0];
  if (own === undefined || (all.length === 1 && ended === undefined)) return own?.status;
  const { status } = own;
  const bad = badStates
    .flatMap((state) => all.filter((one) => one.status.state === state))
    .find((one) => one !== own);
  const isFine = status.state === "running";
  const total = { inFlight: 0, invocations: 0, failures: 0, time: 0 };
  for (const { status: one } of all)
    for (const key of ["inFlight", "invocations", "failures", "time"] as const)
      total[key] += one.calls[key];
  return {
    ...status,
    ...(placement?.spreads === true &&
      spreadStatus([...all.map((one) => one.status), ...(ended === undefined ? [] : [ended])])),
    ...(isFine && bad !== undefined && { state: bad.status.state, since: bad.status.since }),
    reason:
      isFine && bad !== undefined
        ? `in worker ${bad.worker + 1}: ${bad.status.reason}`
        : status.reason,
    rebuilds: all.reduce((sum, one) => sum + one.status.rebuilds, 0),
    calls: total,
  };
}

/** What stays of a worker that has ended: what it had counted, added to that of those before it. */
export function endedStatus(
  status: ComponentStatus,
  before: ComponentStatus | undefined,
): ComponentStatus {
  return {
    ...status,
    ...spreadStatus(before === undefined ? [status] : [status, before]),
    ...{ inFlight: 0, maxInFlight: undefined, waiting: 0, backlog: undefined },
    ...{ oldestFailed: undefined, oldestSince: undefined, windowFull: false },
  };
}

/** What workers that read one source together have of it. */
function spreadStatus(all: readonly ComponentStatus[]): Partial<ComponentStatus> {
  const add = (of: (status: ComponentStatus) => number | undefined): number =>
    all.reduce((total, status) => total + (of(status) ?? 0), 0);
  const known = (of: (status: ComponentStatus) => number | undefined): number | undefined =>
    all.some((status) => of(status) !== undefined) ? add(of) : undefined;
  const ended = Object.keys(
    all[0]?.endedOtherwise ?? {},
  ) as (keyof ComponentStatus["endedOtherwise"])[];
  const oldest = all.flatMap(({ oldestSince }) => oldestSince ?? []);
  return {
    inFlight: add(({ inFlight }) => inFlight),
    maxInFlight: known(({ maxInFlight }) => maxInFlight),
    waiting: add(({ waiting }) => waiting),
    handled: add(({ handled }) => handled),
    endedOtherwise: Object.fromEntries(
      ended.map((how) => [how, add(({ endedOtherwise }) => endedOtherwise[how])]),
    ) as ComponentStatus["endedOtherwise"],
    attempts: add(({ attempts }) => attempts),
    failedAttempts: add(({ failedAttempts }) => failedAttempts),
    attemptTime: add(({ attemptTime }) => attemptTime),
    backlog: known(({ backlog }) => backlog),
    oldestFailed: all
      .flatMap(({ oldestFailed }) => oldestFailed ?? [])
      .toSorted((one, other) => one.receivedAt - other.receivedAt)[0],
    oldestSince: oldest.toSorted((one, other) => one.getTime() - other.getTime())[0],
    windowFull: all.some(({ windowFull }) => windowFull),
  };
}

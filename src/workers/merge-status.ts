import type { ComponentStatus } from "../runtime/status.ts";
import type { Placement } from "./placement.ts";
import type { Snapshot } from "./api.ts";

/** Worst first: what one worker's connection is, the component is. */
const badStates: readonly ComponentStatus["state"][] = ["failed", "reconnecting", "starting"];

/** Components as one process has them, of what its workers say; the order is that of the placements. */
export function mergeStatuses(
  placements: ReadonlyMap<string, Placement>,
  snapshots: readonly (Snapshot | undefined)[],
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
  return [...names].flatMap((name) => merged(byName.get(name) ?? [], placements.get(name)) ?? []);
}

function merged(
  all: readonly { readonly worker: number; readonly status: ComponentStatus }[],
  placement: Placement | undefined,
): ComponentStatus | undefined {
  const own = all.find(({ worker }) => worker === placement?.owner) ?? all[0];
  if (own === undefined || all.length === 1) return own?.status;
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
    ...(isFine && bad !== undefined && { state: bad.status.state, since: bad.status.since }),
    reason:
      isFine && bad !== undefined
        ? `in worker ${bad.worker + 1}: ${bad.status.reason}`
        : status.reason,
    rebuilds: all.reduce((sum, one) => sum + one.status.rebuilds, 0),
    calls: total,
  };
}

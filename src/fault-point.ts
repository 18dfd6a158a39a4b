/**
 * Named places between two steps at which the fault tests end or stop the process. A bundled daemon has
 * none of them: `scripts/build.ts` makes the condition false, and nothing is left of what it guards.
 *
 * Used as `if (faultPoints) reach("settled");`.
 */
export const faultPoints = process.env["CUFFLINK_FAULT_POINTS"] !== undefined;

export type FaultPoint =
  | "event received"
  | "attempt noted"
  | "attempt begins"
  | "app answered"
  | "fan-out done"
  | "dead letter stored"
  | "redrive handled"
  | "before settle"
  | "settled"
  | "before flush"
  | "flushed"
  | "claimed"
  | "invoked"
  | "claim completed"
  | "new component proved"
  | "old component drained";

const reached = new Map<string, number>();

/**
 * Does what `CUFFLINK_FAULT_POINTS` says about a point, such as `settled=kill@3,flushed=stop`: the third
 * time the process kills itself, the first time it stops itself until somebody sends SIGCONT.
 */
export function reach(point: FaultPoint): void {
  const times = (reached.get(point) ?? 0) + 1;
  reached.set(point, times);
  for (const order of (process.env["CUFFLINK_FAULT_POINTS"] ?? "").split(",")) {
    const match = /^(.+)=(kill|stop)(?:@(\d+))?$/.exec(order.trim());
    if (match === null || match[1] !== point || Number(match[3] ?? 1) !== times) continue;
    process.kill(process.pid, match[2] === "kill" ? "SIGKILL" : "SIGSTOP");
  }
}

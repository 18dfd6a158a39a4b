import type { ComponentStatus } from "../../../src/runtime/status.ts";

/** The status of a component that has done nothing, but for what is said. */
export function statusOf(name: string, said: Partial<ComponentStatus> = {}): ComponentStatus {
  return {
    ...{ name, type: "bindings.probe", version: "v1", state: "running", reason: "" },
    ...{ since: new Date(0), origin: "", directions: { input: true, output: true } },
    ...{ operations: ["create"], inFlight: 0, waiting: 0, handled: 0, attempts: 0 },
    endedOtherwise: { "dead letter": 0, output: 0, dropped: 0, returned: 0, duplicate: 0 },
    ...{ failedAttempts: 0, attemptTime: 0, oldestFailed: undefined, required: false },
    calls: { inFlight: 0, invocations: 0, failures: 0, time: 0 },
    ...{ readiness: "optional", paused: undefined, rebuilds: 0, backlog: undefined },
    ...{ oldestSince: undefined, windowFull: false, breakers: [], maxInFlight: undefined },
    ...said,
  };
}

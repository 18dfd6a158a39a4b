import { formatDuration } from "../metadata/duration.ts";
import type { ComponentPolicies } from "./component-policies.ts";
import { formatCodes } from "./matching.ts";
import type { ResolvedPolicy } from "./policies.ts";
import type { Breaker } from "./policy.ts";
import type { Direction } from "./resiliency.ts";

/** One part of a policy for people: what it is, its value, and who said so. */
export type PolicyPart = {
  /** `attempts`, `pauses`, `repeats`, `timeout`, `circuit breaker`. */
  readonly name: string;
  /** `10`, `1s × 2 to 1m, ± 10 %`. */
  readonly value: string;
  /** `default`, `metadata redisMaxRetries (redis.yaml:9:7)`. */
  readonly source: string;
};

/** The parts of a component's policies; `undefined`: it has not that way. */
export type PolicyParts = Readonly<Record<Direction, readonly PolicyPart[] | undefined>>;

/** The policies of a component that count now, for the ways that it has. */
export function describePolicies(
  { inbound, outbound }: Pick<ComponentPolicies, Direction>,
  directions: { readonly input: boolean; readonly output: boolean },
): PolicyParts {
  return {
    inbound: directions.input ? describePolicy(inbound, "inbound") : undefined,
    outbound: directions.output ? describePolicy(outbound, "outbound") : undefined,
  };
}

/** A policy in the order in which a person wants to read it. */
export function describePolicy(policy: ResolvedPolicy, direction: Direction): PolicyPart[] {
  const { retry, timeout, breaker, sources } = policy;
  const attempts = Number.isFinite(retry.attempts) ? String(retry.attempts) : "without end";
  const source = sources.retry;
  const parts: PolicyPart[] = [{ name: "attempts", value: attempts, source }];
  if (retry.attempts > 1) {
    parts.push(
      { name: "pauses", value: pausesOf(policy), source },
      { name: "repeats", value: repeatsOf(policy, direction), source },
    );
  }
  parts.push(
    {
      name: "timeout",
      value: timeout === undefined ? "none" : formatDuration(timeout),
      source: sources.timeout,
    },
    { name: "circuit breaker", value: stateOf(breaker), source: sources.breaker },
  );
  return parts;
}

function pausesOf({ retry: { initial, max, multiplier, jitter } }: ResolvedPolicy): string {
  const chance = jitter > 0 ? `, ± ${Number((jitter * 100).toFixed(1))} %` : "";
  if (multiplier === 1 || max <= initial) return formatDuration(Math.min(initial, max)) + chance;
  return `${formatDuration(initial)} × ${multiplier} to ${formatDuration(max)}${chance}`;
}

function repeatsOf(
  { repeatsAmbiguous, matching = {} }: ResolvedPolicy,
  direction: Direction,
): string {
  const lists = [
    ...(matching.http === undefined ? [] : [`HTTP ${formatCodes(matching.http)}`]),
    ...(matching.grpc === undefined ? [] : [`gRPC ${formatCodes(matching.grpc)}`]),
  ];
  const unsent = "what was not sent";
  const others =
    direction === "inbound"
      ? "whatever the app does not handle"
      : `${unsent}, and what ${repeatsAmbiguous === true ? "may have been done" : "can be done twice"}`;
  return lists.length === 0 ? others : `${lists.join(" and ")}; without such a code ${others}`;
}

function stateOf(breaker: Breaker | undefined): string {
  if (breaker === undefined) return "none";
  const { name, state, passesIn } = breaker;
  const more = passesIn > 0 ? ` for another ${formatDuration(Math.ceil(passesIn))}` : "";
  return `${name}, ${state}${more}`;
}

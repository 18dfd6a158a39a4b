import { ComponentState } from "../../gen/cufflink/v1/operations_pb.ts";
import { milliseconds, plural, timeOf } from "./format.ts";
import { type LiveComponent, sampleSpan, sampleStep } from "./live.ts";

/** How urgent a component is: what needs attention comes first. */
export type Urgency = "attention" | "paused" | "well";

/** Figures of a component that are made of others. */
export type Figures = {
  readonly urgency: Urgency;
  /** What comes first has the least. */
  readonly order: number;
  /** Why it needs attention, beyond its state. Empty: it does not. */
  readonly trouble: string;
  readonly inFlight: number;
  readonly backlog: number | undefined;
  readonly attempts: number;
  /** Attempts and invocations a second, over the last minute. */
  readonly rate: number;
  /** Mean time of an attempt or an invocation in the last minute, in milliseconds. */
  readonly latency: number | undefined;
};

const minute = 60_000;

const urgent: readonly ComponentState[] = [
  ComponentState.FAILED,
  ComponentState.STALLED,
  ComponentState.RECONNECTING,
  ComponentState.WAITING_FOR_APP,
];

/** The figures of a component at `now`, the daemon's time. */
export function figuresOf(live: LiveComponent, now: number): Figures {
  const { component, samples, deadLetters } = live;
  const { input, output, state } = component;
  let [calls, failures, time] = [0, 0, 0];
  for (const sample of samples) {
    if ((timeOf(sample.at) ?? 0) <= now - minute) continue;
    calls += sample.attempts + sample.invocations;
    failures += sample.failures;
    time += milliseconds(sample.attemptTime) * sample.attempts;
    time += milliseconds(sample.invocationTime) * sample.invocations;
  }
  const place = urgent.indexOf(state);
  const trouble = [
    ...(deadLetters > 0 ? [plural(deadLetters, "dead letter")] : []),
    ...(failures > 0 ? [`${plural(failures, "invocation")} failed in the last minute`] : []),
  ].join(", ");
  const needs = place >= 0 || trouble !== "";
  const paused = state === ComponentState.PAUSED;
  return {
    urgency: needs ? "attention" : paused ? "paused" : "well",
    order: place >= 0 ? place : needs ? urgent.length : paused ? 5 : 6,
    trouble,
    inFlight: (input?.inFlight ?? 0) + (output?.inFlight ?? 0),
    backlog: input?.backlog === undefined ? undefined : Number(input.backlog),
    attempts: Number(input?.attempts ?? 0n) + Number(output?.invocations ?? 0n),
    rate: calls / (minute / 1000),
    latency: calls === 0 ? undefined : time / calls,
  };
}

/**
 * A value for each five seconds of the last ten minutes, oldest first. Where there is no sample: `absent`, as a component
 * that does nothing may send none.
 */
export function seriesOf<T>(
  live: LiveComponent,
  now: number,
  value: (sample: LiveComponent["samples"][number]) => number | T,
  absent: T,
): (number | T)[] {
  const series = Array.from({ length: sampleSpan / sampleStep }, (): number | T => absent);
  for (const sample of live.samples) {
    const age = now - (timeOf(sample.at) ?? 0);
    const at = series.length - 1 - Math.floor(age / sampleStep);
    if (at >= 0 && at < series.length) series[at] = value(sample);
  }
  return series;
}

import type { Sampling } from "../../runtime/trace.ts";
import { quote, type Environment } from "./environment.ts";

const all = 0;
const none = 2 ** 32;
/** The threshold that lets the ratio of traces through. */
function thresholdOf(ratio: number): number {
  return Math.round((1 - ratio) * none);
}

/**
 * Which traces are recorded. `undefined`: none ever. OTEL_TRACES_SAMPLER goes before the Configuration's rate, and without
 * either the usual share is recorded of those that no caller has decided about.
 */
export function samplingOf(
  environment: Environment,
  samplingRate: string,
  usual: number,
): Sampling | undefined {
  const name = environment.text("OTEL_TRACES_SAMPLER");
  const argument = environment.text("OTEL_TRACES_SAMPLER_ARG");
  if (name === undefined) {
    if (argument !== undefined)
      environment.warn("OTEL_TRACES_SAMPLER_ARG has no effect without OTEL_TRACES_SAMPLER");
    const rate = samplingRate === "" ? usual : Number(samplingRate);
    return { threshold: thresholdOf(rate), heedsCaller: true };
  }
  if (samplingRate !== "")
    environment.warn("OTEL_TRACES_SAMPLER counts, and not the Configuration's samplingRate");
  const sampler = samplers.get(name.toLowerCase());
  if (sampler === undefined) {
    const known = [...samplers.keys()].join(", ");
    environment.warn(
      `OTEL_TRACES_SAMPLER must be one of ${known}; parentbased_always_on counts instead of ${quote(name)}`,
    );
    return { threshold: all, heedsCaller: true };
  }
  return sampler(ratioOf(environment, argument, name));
}

const samplers = new Map<string, (ratio: number) => Sampling | undefined>([
  ["always_on", () => ({ threshold: all, heedsCaller: false })],
  ["always_off", () => undefined],
  ["traceidratio", (ratio) => ({ threshold: thresholdOf(ratio), heedsCaller: false })],
  ["parentbased_always_on", () => ({ threshold: all, heedsCaller: true })],
  ["parentbased_always_off", () => ({ threshold: none, heedsCaller: true })],
  ["parentbased_traceidratio", (ratio) => ({ threshold: thresholdOf(ratio), heedsCaller: true })],
]);

function ratioOf(environment: Environment, argument: string | undefined, sampler: string): number {
  if (argument === undefined || !sampler.toLowerCase().endsWith("ratio")) {
    if (argument !== undefined)
      environment.warn(`OTEL_TRACES_SAMPLER_ARG has no effect with ${quote(sampler)}`);
    return 1;
  }
  const ratio = Number(argument);
  if (ratio >= 0 && ratio <= 1) return ratio;
  environment.warn(
    `OTEL_TRACES_SAMPLER_ARG must be 0 to 1; 1 counts instead of ${quote(argument)}`,
  );
  return 1;
}

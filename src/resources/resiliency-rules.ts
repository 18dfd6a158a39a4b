import { longestTimer, parseDuration } from "../metadata/duration.ts";
import { closest } from "../metadata/suggest.ts";
import { parseCodes, type Matching } from "../policy/matching.ts";
import type { CircuitBreakerRule, RetryRule } from "../policy/resiliency.ts";
import type { compileTrip } from "../policy/trip.ts";
import { textOf, type Entry, type Finding } from "./tree.ts";
import { isNull, Mapping, nounOf } from "./mapping.ts";
import type { Range, Source } from "./source.ts";

type Reader = { readonly source: Source; readonly findings: Finding[] };
type Text = { readonly text: string; readonly range: Range };

const example = 'give a number with a unit, such as "5s" or "1m30s"';

/** A duration in milliseconds. `undefined`: it is none, which is among the findings. */
export function readTimeout(entry: Entry, path: string, { findings }: Reader): number | undefined {
  const { value, keyRange } = entry;
  if (value.kind !== "scalar" || isNull(value)) {
    const what = isNull(value) ? "has no value" : `must be a duration, not a ${nounOf(value)}`;
    findings.push({ severity: "error", range: keyRange, message: `${path} ${what}; ${example}` });
    return undefined;
  }
  const reading = new Reading(undefined, path, findings);
  const milliseconds = reading.duration("", { text: textOf(value), range: value.range });
  if (reading.failed || milliseconds === undefined) return undefined;
  if (milliseconds > 0) return milliseconds;
  reading.note("warning", value.range, "is not longer than zero, and so is no limit");
  return undefined;
}

export const retryKeys = ["policy", "duration", "maxInterval", "maxRetries", "matching"];
/** What Dapr's back-off has and its resource does not. */
export const ownRetryKeys = ["initialInterval", "multiplier", "randomizationFactor"];

/** A retry with Dapr's defaults. `undefined`: something in it is wrong, which is among the findings. */
export function readRetry(
  entry: Entry,
  path: string,
  { source, findings }: Reader,
): RetryRule | undefined {
  const rule = mappingOf(entry, path, source, findings);
  if (rule === undefined) return undefined;
  rule.reportUnknown([...retryKeys, ...ownRetryKeys]);
  const reading = new Reading(rule, path, findings);
  const policy = rule.text("policy");
  const word = policy?.text.toLowerCase() ?? "constant";
  if (word !== "constant" && word !== "exponential") {
    const range = policy?.range ?? rule.range;
    const meant = closest(word, ["constant", "exponential"]);
    reading.note("error", range, ".policy must be constant or exponential", meant);
    return undefined;
  }
  const retries = reading.integer("maxRetries", -1);
  const attempts = retries < 0 ? Number.POSITIVE_INFINITY : retries + 1;
  const matching = readMatching(rule, path, source, findings, reading);
  const duration = reading.pause("duration") ?? 5000;
  const initial = reading.pause("initialInterval") ?? 500;
  const max = reading.pause("maxInterval") ?? 60_000;
  const multiplier = reading.number("multiplier", 1.5, [1, 1000]);
  const jitter = reading.number("randomizationFactor", word === "constant" ? 0 : 0.5, [0, 1]);
  const constant = word === "constant";
  const unused = constant ? ["maxInterval", "initialInterval", "multiplier"] : ["duration"];
  for (const key of unused) {
    const found = rule.entry(key);
    if (found === undefined) continue;
    const instead = constant
      ? 'is used by policy: exponential only; here "duration" is the pause'
      : 'is used by policy: constant only; here the pauses grow from "initialInterval" to "maxInterval"';
    reading.note("warning", found.keyRange, `.${key} ${instead}`);
  }
  if (reading.failed) return undefined;
  const more = { attempts, jitter, ...(matching === undefined ? {} : { matching }) };
  return constant
    ? { ...more, initial: duration, max: duration, multiplier: 1 }
    : { ...more, initial, max, multiplier };
}

function readMatching(
  rule: Mapping,
  path: string,
  source: Source,
  findings: Finding[],
  reading: Reading,
): Matching | undefined {
  const entry = rule.entry("matching");
  if (entry === undefined || isNull(entry.value)) return undefined;
  const matching = mappingOf(entry, `${path}.matching`, source, findings);
  if (matching === undefined) {
    reading.failed = true;
    return undefined;
  }
  matching.reportUnknown(["httpStatusCodes", "gRPCStatusCodes"]);
  const list = (key: string, kind: keyof Matching): Matching[typeof kind] => {
    const text = matching.text(key);
    if (text === undefined) return undefined;
    const parsed = parseCodes(text.text, kind);
    if ("ranges" in parsed) return parsed.ranges;
    reading.note("error", text.range, `.matching.${key}: ${parsed.problem}`);
    return undefined;
  };
  return { http: list("httpStatusCodes", "http"), grpc: list("gRPCStatusCodes", "grpc") };
}

/** A circuit breaker with Dapr's defaults. `undefined`: something in it is wrong, which is among the findings. */
export function readCircuitBreaker(
  entry: Entry,
  path: string,
  { source, findings }: Reader,
  compile: typeof compileTrip | undefined,
): CircuitBreakerRule | undefined {
  const rule = mappingOf(entry, path, source, findings);
  if (rule === undefined) return undefined;
  rule.reportUnknown(["maxRequests", "interval", "timeout", "trip"]);
  const reading = new Reading(rule, path, findings);
  const maxRequests = reading.integer("maxRequests", 1);
  const requests = rule.entry("maxRequests");
  if (requests !== undefined && (maxRequests < 0 || maxRequests > 1_000_000))
    reading.note("error", requests.value.range, ".maxRequests must be from 1 to 1000000");
  const interval = reading.pause("interval") ?? 0;
  const timeout = reading.pause("timeout");
  const trip = rule.text("trip");
  if (trip !== undefined && trip.text !== "" && compile !== undefined) {
    const compiled = compile(trip.text);
    if ("problem" in compiled) {
      const { message, start, end, suggestion } = compiled.problem;
      const range = within(trip.range, trip.text, source, start, end);
      reading.note("error", range, `.trip ${message}`, suggestion);
    }
  }
  if (reading.failed) return undefined;
  return {
    maxRequests: Math.max(1, maxRequests),
    interval,
    // As in Dapr none, and zero, are a minute.
    timeout: timeout === undefined || timeout === 0 ? 60_000 : timeout,
    trip: trip === undefined || trip.text === "" ? undefined : trip.text,
  };
}

/** The place of a part of a text, where the text stands in the file as it is; else that of the whole. */
function within(range: Range, text: string, source: Source, start: number, end: number): Range {
  const at = source.text.slice(range[0], range[1]).indexOf(text);
  if (at === -1) return range;
  const from = Math.min(range[0] + at + start, range[1] - 1);
  return [from, Math.min(range[0] + at + end, range[1])];
}

function mappingOf(
  { value, keyRange }: Entry,
  path: string,
  source: Source,
  findings: Finding[],
): Mapping | undefined {
  if (value.kind === "map") return new Mapping(value, `${path}.`, source, findings);
  const what = isNull(value) ? "has no value" : `must be a mapping, not a ${nounOf(value)}`;
  findings.push({ severity: "error", range: keyRange, message: `${path} ${what}` });
  return undefined;
}

/** Reads the values of one policy, and remembers whether one of them was wrong. */
class Reading {
  failed = false;
  readonly #rule: Mapping | undefined;
  readonly #path: string;
  readonly #findings: Finding[];

  constructor(rule: Mapping | undefined, path: string, findings: Finding[]) {
    this.#rule = rule;
    this.#path = path;
    this.#findings = findings;
  }

  note(
    severity: Finding["severity"],
    range: Range,
    message: string,
    suggestion?: string,
  ): undefined {
    if (severity === "error") this.failed = true;
    const text = `${this.#path}${/^[. ]/.test(message) ? "" : " "}${message}`;
    this.#findings.push({ severity, range, message: text, suggestion });
    return undefined;
  }

  /** Milliseconds, not below zero. */
  pause(key: string): number | undefined {
    const text = this.#text(key);
    if (text === undefined) return undefined;
    const value = this.duration(`.${key}`, text);
    if (value === undefined || value >= 0) return value;
    return this.note("error", text.range, `.${key} must not be below zero`);
  }

  /** Milliseconds; a number without a unit counts in them, as in Dapr. */
  duration(label: string, { text, range }: Text): number | undefined {
    const value = text === "" ? undefined : parseDuration(text, 1);
    const shown = JSON.stringify(text);
    if (value === undefined)
      return this.note("error", range, `${label} ${shown} is no duration; ${example}`);
    if (Math.abs(value) > longestTimer)
      return this.note("error", range, `${label} ${shown} is longer than 24 days`);
    if (/^[+-]?[1-9]\d*$/.test(text))
      this.note("warning", range, `${label} ${shown} has no unit and is read as ${text}ms`);
    return value;
  }

  integer(key: string, otherwise: number): number {
    const text = this.#text(key);
    if (text === undefined) return otherwise;
    const value = /^[+-]?\d{1,9}$/.test(text.text) ? Number(text.text) : undefined;
    if (value !== undefined) return value;
    this.note("error", text.range, `.${key} ${JSON.stringify(text.text)} is no whole number`);
    return otherwise;
  }

  number(key: string, otherwise: number, [least, most]: readonly [number, number]): number {
    const text = this.#text(key);
    if (text === undefined) return otherwise;
    const value = text.text.trim() === "" ? Number.NaN : Number(text.text);
    if (value >= least && value <= most) return value;
    const shown = JSON.stringify(text.text);
    this.note("error", text.range, `.${key} ${shown} is no number from ${least} to ${most}`);
    return otherwise;
  }

  #text(key: string): Text | undefined {
    const value = this.#rule?.entry(key)?.value;
    if (value === undefined || isNull(value)) return undefined;
    const text = this.#rule?.text(key);
    // One of another kind was reported with its key.
    if (text === undefined) this.failed = true;
    return text;
  }
}

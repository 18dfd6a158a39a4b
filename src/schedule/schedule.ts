import { formatDuration, parseDuration } from "../metadata/duration.ts";
import type { Parsed } from "../metadata/fields.ts";
import { readDayRule } from "./day-rule.ts";

/** When a cron component ticks. */
export type Schedule =
  | {
      readonly kind: "every";
      /** Milliseconds from one tick to the next, at least 1. */
      readonly interval: number;
    }
  | {
      readonly kind: "calendar";
      /** Six fields, seconds first, of numbers, `*` and what {@link readDayRule} answers. */
      readonly pattern: string;
      /** Whether a day must match both its fields; otherwise one of the two is enough. */
      readonly bothDays: boolean;
      /** The IANA zone that the schedule names itself; `undefined`: the process's own. */
      readonly zone: string | undefined;
    };

type Bounds = {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
  /** Whether rules such as `L` may stand for a day. */
  readonly days?: "month" | "week";
};

/** What one field allows; `star`: it was written as `*` or `?`, without a step. */
type Allowed = {
  readonly numbers: ReadonlySet<number>;
  readonly rules: ReadonlySet<string>;
  readonly star: boolean;
};

const fieldBounds: readonly Bounds[] = [
  { title: "second", min: 0, max: 59 },
  { title: "minute", min: 0, max: 59 },
  { title: "hour", min: 0, max: 23 },
  { title: "day of the month", min: 1, max: 31, days: "month" },
  {
    title: "month",
    min: 1,
    max: 12,
    names: "jan feb mar apr may jun jul aug sep oct nov dec".split(" "),
  },
  {
    title: "day of the week",
    min: 0,
    max: 6,
    names: "sun mon tue wed thu fri sat".split(" "),
    days: "week",
  },
];

const shorthands: Readonly<Record<string, string>> = {
  "@yearly": "0 0 0 1 1 *",
  "@annually": "0 0 0 1 1 *",
  "@monthly": "0 0 0 1 * *",
  "@weekly": "0 0 0 * * 0",
  "@daily": "0 0 0 * * *",
  "@midnight": "0 0 0 * * *",
  "@hourly": "0 0 * * * *",
};

/**
 * Reads a schedule: five fields, or six with the seconds first, or one of the `@` words, each perhaps after
 * `TZ=Zone` or `CRON_TZ=Zone`. All that Dapr's grammar allows means what it means there; the weekday 7 and
 * the rules of {@link readDayRule} are beyond it.
 */
export function parseSchedule(text: string): Parsed<Schedule> {
  const zoned = /^(?:CRON_TZ|TZ)=(\S*)(?:\s+(.*))?$/s.exec(text.trim());
  const zone = readZone(zoned?.[1]);
  if (zone === false) return problem(`the time zone ${JSON.stringify(zoned?.[1])} is not known`);
  const body = (zoned ? (zoned[2] ?? "") : text).trim();
  if (body === "") return problem("the schedule is missing");
  if (body.startsWith("@every ")) return readInterval(body.slice("@every ".length).trim());
  const fields = (shorthands[body] ?? body).split(/\s+/);
  if (body.startsWith("@") && shorthands[body] === undefined) {
    return problem(`${body} is none of ${Object.keys(shorthands).join(", ")}, @every DURATION`);
  }
  if (fields.length < 5 || fields.length > 6) {
    return problem(`expected 5 to 6 fields, found ${fields.length}`);
  }
  if (fields.length === 5) fields.unshift("0");
  const allowed: Allowed[] = [];
  for (const [index, bounds] of fieldBounds.entries()) {
    const read = readField(fields[index] ?? "", bounds);
    if (typeof read === "string") return problem(read);
    allowed.push(read);
  }
  return { value: calendar(allowed, zone) };
}

function problem(reason: string): { problem: string } {
  return { problem: `is no schedule: ${reason}` };
}

function calendar(allowed: readonly Allowed[], zone: string | undefined): Schedule {
  const patterns = allowed.map(({ numbers, rules }, index) => {
    const { min = 0, max = 0 } = fieldBounds[index] ?? {};
    if (numbers.size === max - min + 1) return "*";
    return [...[...numbers].toSorted((a, b) => a - b), ...rules].join(",");
  });
  const bothDays = Boolean(allowed[3]?.star || allowed[5]?.star);
  // One of the two is enough, and one allows every day.
  if (!bothDays && (patterns[3] === "*" || patterns[5] === "*")) patterns[3] = patterns[5] = "*";
  return { kind: "calendar", pattern: patterns.join(" "), bothDays, zone };
}

function readInterval(text: string): Parsed<Schedule> {
  const interval =
    /^[+-]?\d+$/.test(text) && Number(text) !== 0 ? undefined : parseDuration(text, 1);
  if (text === "" || interval === undefined) {
    return problem(`${JSON.stringify(text)} is no duration such as "30s" or "1h30m"`);
  }
  if (interval < 1) {
    return problem(`the interval ${formatDuration(interval)} is too short; 1ms is the shortest`);
  }
  return { value: { kind: "every", interval } };
}

/** The zone to compute in, `undefined` for the process's own, or false when there is no such zone. */
function readZone(name: string | undefined): string | undefined | false {
  if (name === undefined || name === "Local") return undefined;
  if (name === "") return "UTC";
  try {
    // Go knows zones by name only, not as offsets.
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat("en", { timeZone: name })
      ? name
      : false;
  } catch {
    return false;
  }
}

function readField(text: string, bounds: Bounds): Allowed | string {
  const { title, days } = bounds;
  const numbers = new Set<number>();
  const rules = new Set<string>();
  let star = false;
  for (const part of text.split(",")) {
    const rule = days && readDayRule(part, days, (name) => readNumber(name, bounds));
    if (rule !== undefined) {
      rules.add(rule);
      continue;
    }
    const read = readRange(part, bounds);
    if (typeof read === "string") return `${JSON.stringify(text)} for the ${title}: ${read}`;
    const { from, to, step } = read;
    // Only Sunday has two numbers.
    for (let number = from; number <= to; number += step)
      numbers.add(number === 7 && days === "week" ? 0 : number);
    star ||= read.star;
  }
  if (rules.has("LW") && text.includes(","))
    return `${JSON.stringify(text)} for the ${title}: LW cannot stand beside others`;
  return { numbers, rules, star };
}

function readRange(
  text: string,
  bounds: Bounds,
): { from: number; to: number; step: number; star: boolean } | string {
  const { min, max, days } = bounds;
  const largest = days === "week" ? 7 : max;
  const [range = "", stepText, ...rest] = text.split("/");
  const step = stepText === undefined ? 1 : readDigits(stepText);
  if (rest.length > 0 || step === undefined)
    return `the step of ${JSON.stringify(text)} is no number`;
  if (step === 0) return "a step of 0 goes nowhere";
  if (range === "*" || range === "?") return { from: min, to: max, step, star: step === 1 };
  const [first = "", last, ...more] = range.split("-");
  const from = readNumber(first, bounds);
  const openEnd = stepText === undefined ? from : Math.max(from ?? 0, max);
  const to = last === undefined ? openEnd : readNumber(last, bounds);
  if (more.length > 0 || from === undefined || to === undefined) {
    return `${JSON.stringify(range)} is no number, no range and no *${dayRuleHint(bounds, text)}`;
  }
  if (from < min || to > largest) return `only ${min} to ${largest} are allowed`;
  if (from > to) return `the range ${range} runs backwards`;
  return { from, to, step, star: false };
}

/** What may be meant by a letter or sign that other programs know. */
function dayRuleHint({ days }: Bounds, text: string): string {
  if (days === undefined || !/[LW#]/i.test(text)) return "";
  return days === "month"
    ? "; L, LW and 15W are the rules for a day"
    : "; 5L and 2#2 are the rules for a day";
}

function readNumber(text: string, bounds: Bounds): number | undefined {
  const named = bounds.names?.indexOf(text.toLowerCase()) ?? -1;
  return named === -1 ? readDigits(text) : named + bounds.min;
}

function readDigits(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

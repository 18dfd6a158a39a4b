import { Cron } from "croner";
import { describe, expect, test } from "vitest";
import { parseSchedule } from "../../src/schedule/schedule.ts";
import { nextTimeOf } from "../../src/schedule/ticker.ts";

/** The times of a schedule after a moment, before another. */
function times(text: string, after: string, before: string): Date[] {
  const parsed = parseSchedule(text);
  if (!("value" in parsed)) throw new Error(parsed.problem);
  if (parsed.value.kind !== "calendar") throw new Error("no calendar schedule");
  const next = nextTimeOf(parsed.value, Cron);
  const found: Date[] = [];
  let last = next(Date.parse(after));
  for (; last !== undefined && last < Date.parse(before); last = next(last))
    found.push(new Date(last));
  return found;
}

type Day = { readonly day: number; readonly weekday: number; readonly daysInMonth: number };

const dateOf = (date: Date, timeZone: string): string =>
  new Intl.DateTimeFormat("sv-SE", { timeZone }).format(date);

/** The dates that a rule names, found by going through all days. */
function dates(rule: (day: Day) => boolean, first: string, last: string): string[] {
  const found: string[] = [];
  for (let time = Date.parse(first); time <= Date.parse(last); time += 86_400_000) {
    const date = new Date(time);
    const end = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0));
    const facts = { day: date.getUTCDate(), weekday: date.getUTCDay() };
    if (rule({ ...facts, daysInMonth: end.getUTCDate() })) found.push(dateOf(date, "UTC"));
  }
  return found;
}

const nth =
  (wanted: number, n: number) =>
  ({ day, weekday }: Day): boolean =>
    weekday === wanted && Math.ceil(day / 7) === n;

const lastOf =
  (wanted: number) =>
  ({ day, weekday, daysInMonth }: Day): boolean =>
    weekday === wanted && day + 7 > daysInMonth;

const nearestTo =
  (wanted: number) =>
  ({ day, weekday, daysInMonth }: Day): boolean => {
    if (wanted > daysInMonth) return false;
    const its = (weekday + wanted - day + 35) % 7;
    if (its === 6) return day === (wanted === 1 ? 3 : wanted - 1);
    if (its === 0) return day === (wanted === daysInMonth ? wanted - 2 : wanted + 1);
    return day === wanted;
  };

const isLast = ({ day, daysInMonth }: Day): boolean => day === daysInMonth;

test.each([
  ["0 12 L * *", "the last day of the month", isLast],
  ["0 12 1,L * *", "a number and L", (day: Day) => day.day === 1 || isLast(day)],
  ["0 12 LW * *", "its last weekday", (day: Day) => nearestTo(day.daysInMonth)(day)],
  ["0 12 15W * *", "the weekday nearest to the 15th", nearestTo(15)],
  ["0 12 1W * *", "not in the month before", nearestTo(1)],
  ["0 12 31w * *", "not in the month after, nor where there is no 31st", nearestTo(31)],
  ["0 12 * * 2#2", "the second Tuesday", nth(2, 2)],
  ["0 12 * * tue#5", "the fifth Tuesday, where there is one", nth(2, 5)],
  ["0 12 * * 7#1", "the first Sunday", nth(0, 1)],
  ["0 12 * * 5L", "the last Friday", lastOf(5)],
  ["0 12 * * sunL", "the last Sunday", lastOf(0)],
  ["0 12 * * 7", "Sunday", ({ weekday }: Day) => weekday === 0],
  ["0 12 * * 5-7", "from Friday to Sunday", ({ weekday }: Day) => weekday === 0 || weekday > 4],
  ["0 12 * * 1-7/2", "a range with a step", ({ weekday }: Day) => [1, 3, 5, 0].includes(weekday)],
  ["0 12 * * 1,5L", "a number and a rule", (day: Day) => day.weekday === 1 || lastOf(5)(day)],
  ["0 12 * * 3#2,3#4", "two rules", (day: Day) => nth(3, 2)(day) || nth(3, 4)(day)],
  ["0 12 10 * 2#2", "either of two", (day: Day) => day.day === 10 || nth(2, 2)(day)],
])("%s: %s, in every zone", (pattern, _title, rule) => {
  for (const zone of ["Europe/Berlin", "America/New_York", "Pacific/Chatham"]) {
    const found = times(`TZ=${zone} ${pattern}`, "2026-01-31T18:00:00Z", "2028-03-31T18:00:00Z");
    const expected = dates(rule, "2026-02-01", "2028-03-31");
    expect(found.map((time) => dateOf(time, zone))).toEqual(expected);
    expect(expected.length).toBeGreaterThan(8);
  }
});

describe("on the days when clocks change", () => {
  test.each([
    [
      "the last Sunday, at a time that is missing in March and comes twice in October",
      "TZ=Europe/Berlin 30 2 * * 7L",
      ["2026-02-22T01:30", "2026-03-29T01:00", "2026-04-26T00:30"],
      ["2026-09-27T00:30", "2026-10-25T00:30", "2026-11-29T01:30"],
    ],
    [
      "the same in New York, where it is the second and the first Sunday",
      "TZ=America/New_York 30 2 * * 0#2,0#1",
      ["2026-03-01T07:30", "2026-03-08T07:00", "2026-04-05T06:30"],
      ["2026-10-11T06:30", "2026-11-01T07:30", "2026-11-08T07:30"],
    ],
    [
      "a time that comes twice is taken the first time",
      "TZ=America/New_York 30 1 * * SUN#1",
      ["2026-03-01T06:30", "2026-04-05T05:30"],
      ["2026-10-04T05:30", "2026-11-01T05:30", "2026-12-06T06:30"],
    ],
    [
      "the last day of October, which has 25 hours where summer time ends on it",
      "TZ=Europe/Berlin 0 0 L * *",
      ["2027-02-27T23:00", "2027-03-30T22:00", "2027-04-29T22:00"],
      ["2027-09-29T22:00", "2027-10-30T22:00", "2027-11-29T23:00"],
    ],
    [
      "the weekday nearest to a Sunday on which clocks change",
      "TZ=Europe/Berlin 30 2 25W * *",
      ["2026-03-25T01:30", "2026-04-24T00:30"],
      ["2026-09-25T00:30", "2026-10-26T01:30", "2026-11-25T01:30"],
    ],
  ])("%s", (_title, text, spring, autumn) => {
    for (const expected of [spring, autumn]) {
      const [first = "", last = ""] = [expected[0], expected.at(-1)];
      const after = new Date(Date.parse(`${first}Z`) - 1000).toISOString();
      const before = new Date(Date.parse(`${last}Z`) + 1000).toISOString();
      const found = times(text, after, before);
      expect(found.map((time) => time.toISOString().slice(0, 16))).toEqual(expected);
    }
  });
});

describe("what says no day is refused, with the rules that do", () => {
  test.each([
    ["0 0 L-3 * *", "L, LW and 15W are the rules for a day"],
    ["0 0 32W * *", "L, LW and 15W"],
    ["0 0 0W * *", "L, LW and 15W"],
    ["0 0 1-5W * *", "L, LW and 15W"],
    ["0 0 1,LW * *", "LW cannot stand beside others"],
    ["0 0 * * L", "5L and 2#2 are the rules for a day"],
    ["0 0 * * 2#6", "5L and 2#2"],
    ["0 0 * * 8L", "5L and 2#2"],
    ["0 0 * * 1#2#3", "5L and 2#2"],
    ["0 0 * * 8", "only 0 to 7 are allowed"],
    ["0 0 * * 7-2", "runs backwards"],
    ["0 L * * *", "is no number"],
    ["0 0 * L *", "is no number"],
  ])("%s", (text, reason) => {
    expect(parseSchedule(text)).toEqual({ problem: expect.stringContaining(reason) });
  });
});

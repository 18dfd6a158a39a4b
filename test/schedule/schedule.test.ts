import { Cron } from "croner";
import { describe, expect, test } from "vitest";
import { parseSchedule } from "../../src/schedule/schedule.ts";
import { nextTimeOf } from "../../src/schedule/ticker.ts";

/** The first times of a schedule after a moment. */
function times(text: string, after: string, count = 1): string[] {
  const parsed = parseSchedule(text);
  if (!("value" in parsed)) throw new Error(parsed.problem);
  if (parsed.value.kind !== "calendar") throw new Error("no calendar schedule");
  const next = nextTimeOf(parsed.value, Cron);
  const found: string[] = [];
  let last: number | undefined = Date.parse(after);
  while (found.length < count && (last = next(last)) !== undefined) {
    found.push(new Date(last).toISOString().replace(".000Z", "Z"));
  }
  return found;
}

describe("the times of a schedule", () => {
  test.each([
    ["* * * * *", "2026-11-23T10:00:30Z", "2026-11-23T10:01:00Z"],
    ["*/15 * * * *", "2026-11-23T10:46:00Z", "2026-11-23T11:00:00Z"],
    ["30 * * * * *", "2026-11-23T10:00:30Z", "2026-11-23T10:01:30Z"],
    ["5/20 * * * *", "2026-11-23T10:26:00Z", "2026-11-23T10:45:00Z"],
    ["10-30/10 * * * *", "2026-11-23T10:31:00Z", "2026-11-23T11:10:00Z"],
    ["1,2,50-52 * * * *", "2026-11-23T10:02:00Z", "2026-11-23T10:50:00Z"],
    ["0 9 * * MON-fri", "2026-11-27T10:00:00Z", "2026-11-30T09:00:00Z"],
    ["0 0 1 Jan,jul ?", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"],
    ["0 0 ? * 0", "2026-11-23T10:00:00Z", "2026-11-29T00:00:00Z"],
    ["0 0 29 2 *", "2026-11-23T10:00:00Z", "2028-02-29T00:00:00Z"],
    ["@hourly", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"],
    ["@daily", "2026-11-23T10:00:00Z", "2026-11-24T00:00:00Z"],
    ["@midnight", "2026-11-23T10:00:00Z", "2026-11-24T00:00:00Z"],
    ["@weekly", "2026-11-23T10:00:00Z", "2026-11-29T00:00:00Z"],
    ["@monthly", "2026-11-23T10:00:00Z", "2026-12-01T00:00:00Z"],
    ["@yearly", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"],
    ["@annually", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"],
  ])("%s after %s is %s", (text, after, expected) => {
    expect(times(`TZ=UTC ${text}`, after)).toEqual([expected]);
  });

  test("a day that no month has never comes", () => {
    expect(times("TZ=UTC 0 0 31 2 *", "2026-11-23T10:00:00Z")).toEqual([]);
  });

  test.each([
    // 2026-11-13 is a Friday.
    ["both restricted: either", "0 0 13 * 5", ["2026-11-06", "2026-11-13", "2026-11-20"]],
    ["a stepped star restricts", "0 0 */15 * 1", ["2026-11-01", "2026-11-02", "2026-11-09"]],
    ["a plain star: both", "0 0 * * 5", ["2026-11-06", "2026-11-13", "2026-11-20"]],
    ["a star with step 1: both", "0 0 */1 * 5", ["2026-11-06", "2026-11-13", "2026-11-20"]],
    ["all weekdays by number: either", "0 0 13 * 0-6", ["2026-11-01", "2026-11-02", "2026-11-03"]],
    ["a star in a list: both", "0 0 13 * *,1", ["2026-11-13", "2026-12-13", "2027-01-13"]],
  ])("days, %s", (_title, text, days) => {
    const found = times(`TZ=UTC ${text}`, "2026-10-31T12:00:00Z", 3);
    expect(found).toEqual(days.map((day) => `${day}T00:00:00Z`));
  });
});

describe("time zones", () => {
  test.each(["TZ", "CRON_TZ"])("%s= in front names the zone", (prefix) => {
    expect(times(`${prefix}=Asia/Kolkata 0 9 * * *`, "2026-11-23T00:00:00Z")).toEqual([
      "2026-11-23T03:30:00Z",
    ]);
  });

  test.each([
    [
      "a daily time in the gap comes once, at its end",
      "TZ=America/New_York 30 2 * * *",
      "2026-03-07T12:00:00Z",
      ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
    ],
    [
      "a daily time that comes twice is taken once",
      "TZ=America/New_York 30 1 * * *",
      "2026-10-31T12:00:00Z",
      ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
    ],
    [
      "every half hour goes on over the gap",
      "TZ=America/New_York */30 * * * *",
      "2026-03-08T06:00:00Z",
      ["2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"],
    ],
    [
      "every half hour goes on over the repeated hour",
      "TZ=America/New_York */30 * * * *",
      "2026-11-01T05:00:00Z",
      [
        "2026-11-01T05:30:00Z",
        "2026-11-01T06:00:00Z",
        "2026-11-01T06:30:00Z",
        "2026-11-01T07:00:00Z",
      ],
    ],
    [
      "a change of half an hour",
      "TZ=Australia/Lord_Howe 15 2 * * *",
      "2026-10-03T00:00:00Z",
      ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
    ],
    [
      "a midnight that does not exist",
      "TZ=Africa/Cairo @daily",
      "2026-04-22T23:00:00Z",
      ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
    ],
  ])("%s", (_title, text, after, expected) => {
    expect(times(text, after, expected.length)).toEqual(expected);
  });
});

describe("what is read as an interval", () => {
  test.each([
    ["@every 1s", 1000],
    ["@every 1h30m", 5_400_000],
    ["@every 100ms", 100],
    ["TZ=UTC @every 2m", 120_000],
  ])("%s", (text, interval) => {
    expect(parseSchedule(text)).toEqual({ value: { kind: "every", interval } });
  });
});

describe("what is refused", () => {
  test.each([
    ["* * * *", "expected 5 to 6 fields, found 4"],
    ["* * * * * * *", "expected 5 to 6 fields, found 7"],
    ["60 * * * *", "only 0 to 59 are allowed"],
    ["* 24 * * *", "only 0 to 23 are allowed"],
    ["* * 0 * *", "only 1 to 31 are allowed"],
    ["* * * 13 *", "only 1 to 12 are allowed"],
    ["30-10 * * * *", "runs backwards"],
    ["*/0 * * * *", "a step of 0"],
    ["*/x * * * *", "is no number"],
    ["1/2/3 * * * *", "is no number"],
    ["1-2-3 * * * *", "is no number"],
    ["1,, * * * *", "is no number"],
    ["-1 * * * *", "is no number"],
    ["* * * monday *", "is no number"],
    ["@fortnightly", "is none of"],
    ["@every 0s", "is too short"],
    ["@every -5s", "is too short"],
    ["@every 100us", "is too short"],
    ["@every 30", "is no duration"],
    ["@every soon", "is no duration"],
    ["TZ=UTC", "the schedule is missing"],
    ["TZ=Mars/Base 0 0 * * *", "the time zone"],
    ["TZ=+02:00 0 0 * * *", "the time zone"],
  ])("%s", (text, reason) => {
    const parsed = parseSchedule(text);
    expect(parsed).toEqual({ problem: expect.stringContaining(reason) });
  });
});

import { expect, test } from "vitest";
import type { RowResult } from "../../bench/measure-row.ts";
import { median, percentiles } from "../../bench/measure/statistics.ts";
import { barChart } from "../../bench/report/bar-chart.ts";
import { judge } from "../../bench/report/evaluate.ts";
import { verdictText } from "../../bench/report/lines.ts";

const result: RowResult = {
  command: "npm run bench",
  date: "2026-11-26 08:00",
  loadAverageBefore: 0,
  rounds: 3,
  values: { cufflink: { cpu: [30, 90, 36], start: [250, 310, 290] }, daprd: { cpu: [50, 40, 48] } },
  missing: {},
  failures: {},
};

test("a ratio is that of the medians", () => {
  const requirement = { measure: "cpu", contender: "cufflink", of: "daprd", atMost: 0.7 } as const;
  expect(judge(result, requirement)).toMatchObject({ reached: 0.75, met: false });
  expect(judge(result, { ...requirement, atMost: 1 })).toMatchObject({ met: true });
  expect(verdictText(result, requirement)).toEqual(["0.75 ×", "**not met**"]);
});

test("without another contender the figure itself counts", () => {
  const requirement = { measure: "start", contender: "cufflink", atMost: 300 } as const;
  expect(judge(result, requirement)).toMatchObject({ reached: 290, met: true });
});

test("what failed, or was not measured, meets nothing", () => {
  const requirement = { measure: "cpu", contender: "cufflink", of: "daprd", atMost: 1 } as const;
  const failed = { ...result, failures: { daprd: "lost 3 of 30000 events" } };
  expect(judge(failed, requirement)).toEqual({ requirement });
  expect(judge({ ...result, values: {} }, requirement)).toEqual({ requirement });
});

test("median and percentiles", () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  const values = Float64Array.from({ length: 1000 }, (_, index) => 1000 - index);
  expect(percentiles(values)).toEqual({ p50: 500, p90: 900, p99: 990 });
});

test("a plot is one scale for all bars, and takes any text", () => {
  const bar = { label: "a & b", color: "#000", text: "<1" };
  const svg = barChart("t", "s", [
    {
      label: "row",
      bars: [
        { ...bar, value: 50 },
        { ...bar, value: 20, upTo: 100 },
      ],
    },
  ]);
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  const [first = 0, range = 0, solid = 0] = widths;
  expect([range / first, range / solid]).toEqual([2, 5]);
  expect(svg).toContain('&lt;1 <tspan fill="#666">a &amp; b</tspan>');
});

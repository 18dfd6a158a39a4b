import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { readPage } from "../docs/pages.ts";
import { alerts } from "./alerts.ts";
import { fullMetrics } from "./full-metrics.ts";

const names = alerts.map(({ alert }) => alert);

test("docs/metrics.md says of each alert what it means, and of no other", () => {
  const page = readPage("docs/metrics.md");
  const documented = [...page.matchAll(/^\| `(Cufflink\w+)` /gm)].map(([, name]) => name);
  expect(documented).toEqual(names);
});

test("alerts are made of metrics that are listed and not deprecated", () => {
  const [listed = ""] = readPage("docs/metrics.md").split("## Deprecated names");
  for (const { alert, expr } of alerts) {
    const metrics = expr.match(/\b(?:cufflink|dapr|process|nodejs)_\w+/g) ?? [];
    expect(metrics.length, alert).toBeGreaterThan(0);
    expect(metrics.filter((name) => !listed.includes(`| \`${name}\` `))).toEqual([]);
  }
});

test("no other page names a deprecated metric", async () => {
  const deprecated = (await fullMetrics().collect())
    .filter(({ replacedBy }) => replacedBy !== undefined)
    .map(({ name }) => name);
  expect(deprecated).toHaveLength(5);
  const root = join(import.meta.dirname, "../..");
  for (const page of globSync("docs/**/*.md", { cwd: root })) {
    if (page.endsWith("docs/metrics.md")) continue;
    const text = readFileSync(join(root, page), "utf8");
    expect(deprecated.filter((name) => text.includes(name))).toEqual([]);
  }
});

test("each alert has a unit test in which it fires, and one in which it does not", () => {
  const file = join(import.meta.dirname, "../../deploy/prometheus/alerts.test.yaml");
  const { tests } = parse(readFileSync(file, "utf8")) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  };
  const cases = tests.flatMap((one) => one.alert_rule_test);
  const tested = (fires: boolean): Set<string> =>
    new Set(
      cases
        .filter(({ exp_alerts }) => exp_alerts.length > 0 === fires)
        .map(({ alertname }) => alertname),
    );
  expect(tested(true)).toEqual(new Set(names));
  expect(tested(false)).toEqual(new Set(names));
});

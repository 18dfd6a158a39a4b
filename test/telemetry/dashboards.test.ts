import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dashboards } from "../../scripts/dashboards/dashboards.ts";
import { dashboardsFolder, expressionsOf, shippedDashboards } from "./dashboards.ts";
import { fullMetrics } from "./full-metrics.ts";

test("the dashboards are what node scripts/dashboards.ts writes", () => {
  expect([...shippedDashboards().keys()].sort()).toEqual(Object.keys(dashboards).sort());
  for (const [file, text] of Object.entries(dashboards))
    expect(readFileSync(join(dashboardsFolder, file), "utf8"), file).toBe(text);
});

test("the source of data is a variable, no panel covers another, and links lead to dashboards that exist", () => {
  const all = shippedDashboards();
  const uids = new Set([...all.values()].map(({ uid }) => uid));
  expect(uids.size).toBe(3);
  for (const [file, dashboard] of all) {
    expect(dashboard.templating.list[0]).toMatchObject({ type: "datasource", name: "datasource" });
    const taken = new Set<string>();
    for (const { id, type, title, datasource, targets = [], gridPos } of dashboard.panels) {
      if (type !== "row") expect(datasource?.uid, title).toBe("${datasource}");
      for (const target of targets) expect(target.datasource.uid).toBe("${datasource}");
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        expect(x, title).toBeLessThan(24);
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), `${file} ${title} ${id}`).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
    const text = JSON.stringify(dashboard);
    for (const [, uid = ""] of text.matchAll(/"\/d\/([\w-]+)/g)) expect(uids).toContain(uid);
    const used = [...text.matchAll(/\$(\w+)|\$\{(\w+)\}/g)]
      .map(([, one, other]) => one ?? other ?? "")
      .filter((name) => !name.startsWith("__"));
    const declared = new Set(dashboard.templating.list.map(({ name }) => name));
    expect([...new Set(used)].filter((name) => !declared.has(name))).toEqual([]);
  }
});

test("the dashboards ask for metrics that exist and are not deprecated", async () => {
  const metrics = fullMetrics(undefined, { deprecated: false });
  await metrics.collect();
  const known = new Set(
    (await metrics.collect()).flatMap(({ name, type }) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  for (const [file, dashboard] of shippedDashboards()) {
    const names = expressionsOf(dashboard).flatMap(
      (expression) => expression.match(/\b(?:cufflink|dapr|process|nodejs)_\w+/g) ?? [],
    );
    expect(names.length, file).toBeGreaterThan(10);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  }
});

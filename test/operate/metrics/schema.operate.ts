import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openMetricsText } from "../../../src/telemetry/openmetrics-text.ts";
import { withFileLock } from "../../servers/install.ts";
import { installVenv, venvPython } from "../../servers/python-venv.ts";
import { dashboardsFolder, shippedDashboards } from "../../telemetry/dashboards.ts";
import { fullMetrics } from "../../telemetry/full-metrics.ts";
import { record } from "../record.ts";
import { describeWithTools } from "../tools.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../../..");
const schema = "@grafana/schema@13.2.3";
const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "cufflink");
const parser = { name: "python", packages: ["prometheus-client==0.26.0"] };

/** Grafana's types of a dashboard's JSON, in which an enum is one of its words. */
const types = `
import type { Dashboard, GraphFieldConfig, TableOptions, TableFieldOptions } from "@grafana/schema";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as Lines } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { Options as States, FieldConfig as StatesField } from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type { Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
type Json<T> = T extends string ? \`\${T}\`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer One)[] ? Json<One>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;
type Parts = {
  stat: { options: Json<Stat>; custom: {} };
  timeseries: { options: Json<Lines>; custom: Json<GraphFieldConfig> };
  "state-timeline": { options: Json<States>; custom: Json<StatesField> };
  table: { options: Json<Table>; custom: Json<Partial<TableFieldOptions>> };
};
`;

describeWithTools("the dashboards", { programs: ["npm"] }, () => {
  let folder: string;

  beforeAll(async () => {
    const packages = join(cache, schema.replace("/", "-"));
    await withFileLock("cufflink-grafana-schema", async () => {
      if (existsSync(join(packages, "complete"))) return;
      await mkdir(packages, { recursive: true });
      await writeFile(join(packages, "package.json"), "{}");
      await run("npm", ["install", "--no-audit", "--no-fund", schema], { cwd: packages });
      await writeFile(join(packages, "complete"), "");
    });
    folder = await mkdtemp(join(cache, "grafana-check-"));
    await symlink(join(packages, "node_modules"), join(folder, "node_modules"));
  }, 300_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** What the compiler says of the dashboard as a value of Grafana's types. */
  async function faults(name: string, text: string): Promise<string> {
    const { panels } = JSON.parse(text) as {
      panels: { type: string; options?: object; fieldConfig?: { defaults: { custom: object } } }[];
    };
    const parts = panels
      .filter(({ type }) => type !== "row")
      .map(({ type, options, fieldConfig }, index) => {
        const part = { options, custom: fieldConfig?.defaults.custom };
        return `export const panel${index}: Parts[${JSON.stringify(type)}] = ${JSON.stringify(part)};`;
      });
    const file = join(folder, `${name}.ts`);
    await writeFile(
      file,
      `${types}\nexport const dashboard: Json<Dashboard> = ${text};\n${parts.join("\n")}\n`,
    );
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2024"];
    const tsc = join(root, "node_modules/.bin/tsc");
    const modules = ["--module", "preserve", "--moduleResolution", "bundler"];
    return run(tsc, [...flags, ...modules, file], { cwd: folder }).then(
      () => "",
      ({ stdout = "the compiler could not be run" }: { stdout?: string }) => stdout,
    );
  }

  test.each([...shippedDashboards().keys()])("%s is one by Grafana's schema", async (name) => {
    const text = readFileSync(join(dashboardsFolder, name), "utf8");
    expect(await faults(name, text)).toBe("");
    const wrong: [string, string][] = [
      ['"graphTooltip": 1', '"graphTooltip": "1"'],
      ['"drawStyle":', '"drawStile":'],
      ['"mode": "multi"', '"mode": "many"'],
      ['"gridPos"', '"gridPosition"'],
    ];
    for (const [right, mistake] of wrong)
      expect(await faults("wrong", text.replace(right, mistake)), mistake).toContain("error TS");
    await record(`dashboard ${name}`, { schema, grafana: "not run: it is in no registry" });
  });
});

describeWithTools("OpenMetrics", { programs: ["python3"] }, () => {
  beforeAll(() => installVenv(parser), 300_000);

  test("the page is read by the strict parser of Prometheus' Python client", async () => {
    const metrics = fullMetrics();
    await metrics.collect();
    const families = await metrics.collect();
    const text = [...openMetricsText(families, { app_id: "shop" })].join("");
    const program = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    exemplars = sum(1 for sample in family.samples if sample.exemplar)
    print(family.name, family.type, family.unit or "-", len(family.samples), exemplars)
`;
    const reading = run(venvPython(parser) ?? "python3", ["-c", program]);
    reading.child.stdin?.end(text);
    const { stdout } = await reading;
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(families.length);
    expect(lines).toContain("cufflink_build info - 1 0");
    expect(lines).toContain("dapr_component_output_binding_count unknown - 2 0");
    expect(lines).toContain("cufflink_memory_held_bytes gauge bytes 1 0");
    expect(lines.join("\n")).toMatch(
      /^cufflink_invocation_duration_seconds histogram seconds \d+ 1$/m,
    );
    await record("openmetrics", { parser: parser.packages, metrics: lines.length });
  });
});

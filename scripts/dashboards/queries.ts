import { labelVariable } from "./panels.ts";

export const app = labelVariable("app", "app_id", "cufflink_build_info", { several: true });
export const oneComponent = labelVariable(
  "component",
  "component",
  'cufflink_component_state{app_id=~"$app"}',
  { several: false },
);
export const components = labelVariable(
  "component",
  "component",
  'cufflink_component_state{app_id=~"$app"}',
  { several: true },
);

export const ofApp = 'app_id=~"$app"';
export const ofComponent = `${ofApp},component=~"$component"`;
export const each = "{{app_id}} {{component}}";

/** The rate of a counter by labels. */
export function rate(by: string, series: string): string {
  return `sum by (${by}) (rate(${series}[$__rate_interval]))`;
}

/** Three quantiles of a histogram's durations. */
export function quantiles(name: string, matchers: string): { expr: string; legend: string }[] {
  return [0.5, 0.95, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (rate(${name}_bucket{${matchers}}[$__rate_interval])))`,
    legend: `p${quantile * 100}`,
  }));
}

export function p95(by: string, name: string, matchers: string): string {
  return `histogram_quantile(0.95, sum by (${by}, le) (rate(${name}_bucket{${matchers}}[$__rate_interval])))`;
}

export const invocations = "cufflink_invocation_duration_seconds";
export const attempts = "cufflink_event_attempt_duration_seconds";

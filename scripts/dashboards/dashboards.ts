import { componentDashboard } from "./component.ts";
import { deliveryDashboard } from "./delivery.ts";
import { overviewDashboard } from "./overview.ts";

/** The text of the dashboards of `deploy/grafana`, by file. */
export const dashboards: Readonly<Record<string, string>> = {
  "overview.json": textOf(overviewDashboard),
  "component.json": textOf(componentDashboard),
  "delivery.json": textOf(deliveryDashboard),
};

function textOf(dashboard: object): string {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

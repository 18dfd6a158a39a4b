import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const dashboardsFolder = join(import.meta.dirname, "../../deploy/grafana");

export type Dashboard = {
  readonly uid: string;
  readonly title: string;
  readonly templating: {
    readonly list: readonly {
      readonly type: string;
      readonly name: string;
      readonly query: string | { readonly query: string };
    }[];
  };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: {
      readonly x: number;
      readonly y: number;
      readonly w: number;
      readonly h: number;
    };
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly {
      readonly expr: string;
      readonly datasource: { readonly uid: string };
    }[];
  }[];
};

/** The shipped dashboards, by file. */
export function shippedDashboards(): Map<string, Dashboard> {
  return new Map(
    readdirSync(dashboardsFolder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => [
        file,
        JSON.parse(readFileSync(join(dashboardsFolder, file), "utf8")) as Dashboard,
      ]),
  );
}

/** The expressions of a dashboard's panels and variables, with values in place of Grafana's variables. */
export function expressionsOf({ panels, templating }: Dashboard): string[] {
  const all = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const ofVariables = templating.list.flatMap(({ query }) => {
    const match = /^label_values\((.*), \w+\)$/.exec(typeof query === "string" ? "" : query.query);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  return [...all, ...ofVariables].map((expression) =>
    expression
      .replaceAll(/\$__(rate_interval|range)/g, "1m")
      .replaceAll(/\$(app|component)\b/g, ".*"),
  );
}

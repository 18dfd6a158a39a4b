/** The parts of Grafana's dashboards that ours are made of. Grafana's own names: see the schema of its dashboards. */

export type Query = { readonly expr: string; readonly legend?: string };

export type Panel = {
  readonly title: string;
  /** One sentence for who does not know the metric. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly type: "stat" | "timeseries" | "state-timeline" | "table";
  readonly queries: readonly Query[];
  /** Grafana's name of the unit. */
  readonly unit?: string;
  readonly options: object;
  readonly custom?: object;
  readonly defaults?: object;
  readonly overrides?: readonly object[];
  readonly transformations?: readonly object[];
  /** Show the values that traces tell more of. */
  readonly exemplars?: boolean;
};

type Size = Partial<Pick<Panel, "width" | "height">>;

/** One number, and its colour from the thresholds on. */
export function stat(
  title: string,
  description: string,
  expr: string,
  more: Size & { unit?: string; warnFrom?: number; failFrom?: number } = {},
): Panel {
  const { unit, warnFrom, failFrom, width = 4, height = 4 } = more;
  const steps = [
    { color: "green", value: null },
    ...(warnFrom === undefined ? [] : [{ color: "orange", value: warnFrom }]),
    ...(failFrom === undefined ? [] : [{ color: "red", value: failFrom }]),
  ];
  return {
    ...{ title, description, width, height, type: "stat", queries: [{ expr }] },
    ...(unit === undefined ? {} : { unit }),
    options: {
      ...{ colorMode: "value", graphMode: "area", justifyMode: "auto", textMode: "auto" },
      ...{ orientation: "auto", wideLayout: true, showPercentChange: false },
      ...{ percentChangeColorMode: "standard" },
      reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
    },
    defaults: { thresholds: { mode: "absolute", steps }, noValue: "0" },
  };
}

/** Lines over time. */
export function lines(
  title: string,
  description: string,
  queries: readonly Query[],
  more: Size & { unit?: string; stacked?: boolean; exemplars?: boolean } = {},
): Panel {
  const { unit = "short", stacked = false, width = 12, height = 8, exemplars = false } = more;
  return {
    ...{ title, description, width, height, type: "timeseries", queries, unit, exemplars },
    options: {
      legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
      tooltip: { mode: "multi", sort: "desc" },
    },
    custom: {
      ...{ drawStyle: "line", lineWidth: 1, fillOpacity: stacked ? 30 : 10, showPoints: "auto" },
      ...{ spanNulls: false, stacking: { mode: stacked ? "normal" : "none", group: "A" } },
    },
    defaults: { min: 0 },
  };
}

/** Which state each series has, over time; each query is one row. */
export function states(
  title: string,
  description: string,
  queries: readonly Query[],
  more: Size = {},
): Panel {
  const { width = 24, height = 7 } = more;
  return {
    ...{ title, description, width, height, type: "state-timeline", queries },
    options: {
      ...{ mergeValues: true, showValue: "never", alignValue: "left", rowHeight: 0.8 },
      legend: { displayMode: "list", placement: "bottom", showLegend: false, calcs: [] },
      tooltip: { mode: "single", sort: "none" },
    },
    custom: { fillOpacity: 80, lineWidth: 0 },
    defaults: {
      mappings: [
        {
          type: "value",
          options: {
            "0": { text: "no", color: "transparent", index: 0 },
            "1": { text: "yes", color: "blue", index: 1 },
          },
        },
      ],
    },
  };
}

/** A row for each series as it is now. `columns`: the labels that are shown, as they are called. */
export function table(
  title: string,
  description: string,
  expr: string,
  columns: Readonly<Record<string, string>>,
  more: Size & { links?: Readonly<Record<string, string>>; value?: string } = {},
): Panel {
  const { width = 24, height = 8, links = {}, value } = more;
  const shown = value === undefined ? columns : { ...columns, Value: value };
  return {
    ...{ title, description, width, height, type: "table", queries: [{ expr }] },
    options: { frameIndex: 0, showHeader: true, cellHeight: "sm" },
    custom: { align: "auto", cellOptions: { type: "auto" }, inspect: false },
    transformations: [
      { id: "filterFieldsByName", options: { include: { names: Object.keys(shown) } } },
      { id: "organize", options: { renameByName: shown } },
    ],
    overrides: Object.entries(links).map(([column, url]) => ({
      matcher: { id: "byName", options: column },
      properties: [{ id: "links", value: [{ title: "Open", url, targetBlank: false }] }],
    })),
  };
}

type Titled = { readonly row: string; readonly panels: readonly Panel[] };

/** Panels under titles, from left to right and from top to bottom. */
function arranged(rows: readonly Titled[]): object[] {
  const placed: object[] = [];
  let y = 0;
  for (const { row, panels } of rows) {
    placed.push({
      ...{ type: "row", title: row, collapsed: false, panels: [] },
      ...{ id: placed.length + 1, gridPos: { h: 1, w: 24, x: 0, y } },
    });
    y++;
    let x = 0;
    let height = 0;
    for (const panel of panels) {
      if (x + panel.width > 24) {
        y += height;
        x = height = 0;
      }
      const gridPos = { h: panel.height, w: panel.width, x, y };
      placed.push(panelObject(panel, placed.length + 1, gridPos));
      x += panel.width;
      height = Math.max(height, panel.height);
    }
    y += height;
  }
  return placed;
}

const datasource = { type: "prometheus", uid: "${datasource}" };

function panelObject(panel: Panel, id: number, gridPos: object): object {
  const { type, title, description, queries, unit, options, custom = {}, exemplars } = panel;
  const { defaults = {}, overrides = [], transformations } = panel;
  const isNow = type === "table";
  return {
    ...{ id, type, title, description, gridPos, datasource },
    targets: queries.map(({ expr, legend }, index) => ({
      ...{ refId: String.fromCharCode(65 + index), datasource, expr, editorMode: "code" },
      ...(legend === undefined ? {} : { legendFormat: legend }),
      ...(isNow ? { instant: true, range: false, format: "table" } : { range: true }),
      ...(exemplars === true ? { exemplar: true } : {}),
    })),
    fieldConfig: {
      defaults: { ...(unit === undefined ? {} : { unit }), custom, ...defaults },
      overrides,
    },
    options,
    ...(transformations === undefined ? {} : { transformations }),
  };
}

/** A variable whose values are those of a label. */
export function labelVariable(
  name: string,
  label: string,
  of: string,
  more: { several: boolean },
): object {
  const query = `label_values(${of}, ${label})`;
  return {
    ...{ type: "query", name, label: name, datasource },
    query: { query, refId: name },
    ...{ refresh: 2, sort: 1, hide: 0, skipUrlSync: false },
    ...(more.several
      ? {
          ...{ multi: true, includeAll: true, allValue: ".*" },
          current: { text: "All", value: "$__all", selected: true },
        }
      : { multi: false, includeAll: false }),
  };
}

export type DashboardOptions = {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly object[];
  readonly rows: readonly Titled[];
};

/** A whole dashboard, of the first schema, which every Grafana since version 10 reads. */
export function dashboard({ uid, title, description, variables, rows }: DashboardOptions): object {
  return {
    ...{ uid, title, description, tags: ["cufflink"], schemaVersion: 39, version: 1 },
    ...{ editable: true, fiscalYearStartMonth: 0, graphTooltip: 1, timezone: "browser" },
    ...{ refresh: "30s", time: { from: "now-1h", to: "now" }, weekStart: "" },
    annotations: { list: [] },
    links: [
      {
        ...{ type: "dashboards", title: "Cufflink", tags: ["cufflink"], asDropdown: true },
        ...{ icon: "external link", includeVars: true, keepTime: true, targetBlank: false },
        ...{ tooltip: "", url: "" },
      },
    ],
    templating: {
      list: [
        {
          ...{ type: "datasource", name: "datasource", label: "datasource", query: "prometheus" },
          ...{ refresh: 1, regex: "", hide: 0, multi: false, includeAll: false },
          skipUrlSync: false,
        },
        ...variables,
      ],
    },
    panels: arranged(rows),
  };
}

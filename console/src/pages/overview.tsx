import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Daemon } from "../daemon.ts";
import { type Figures, figuresOf, seriesOf } from "../figures.ts";
import { count, plural, rate, span } from "../format.ts";
import type { LiveComponent } from "../live.ts";
import { link } from "../router.ts";
import { daemons } from "../session.ts";
import { Field } from "../ui/fields.tsx";
import { Badge, Empty, Loading, Note, PageHead } from "../ui/parts.tsx";
import { Sparkline } from "../ui/sparkline.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { directionsWord, stateWord } from "../words.ts";
import { Fleet } from "./fleet.tsx";

type Row = {
  readonly daemon: Daemon;
  readonly live: LiveComponent;
  readonly figures: Figures;
  readonly now: number;
};

type Shown = "all" | "attention" | "paused" | "well";
type SortKey =
  | "attention"
  | "name"
  | "inFlight"
  | "backlog"
  | "rate"
  | "latency"
  | "attempts"
  | "deadLetters";

const shownTitles: readonly (readonly [Shown, string])[] = [
  ["all", "All"],
  ["attention", "Need attention"],
  ["paused", "Paused"],
  ["well", "Well"],
];

/** Every component of every daemon. */
export function OverviewPage(): JSX.Element {
  const shown = useSignal<Shown>("all");
  const search = useSignal("");
  const sort = useSignal<{ key: SortKey; down: boolean }>({ key: "attention", down: false });
  const all = daemons.value.flatMap((daemon) => rowsOf(daemon));
  const several = daemons.value.length > 1;
  const wanted = search.value.trim().toLowerCase();
  const rows = all
    .filter(
      ({ live: { component }, figures, daemon }) =>
        (shown.value === "all" || figures.urgency === shown.value) &&
        (wanted === "" ||
          `${component.name} ${component.type} ${daemon.name}`.toLowerCase().includes(wanted)),
    )
    .toSorted(orderOf(sort.value));
  const connecting = daemons.value.some(({ live }) => live.connection.value.kind === "connecting");
  const columns = useMemo(
    () => columnsOf(several, sort.value, (key) => (sort.value = nextSort(sort.peek(), key))),
    [several, sort.value],
  );
  const many = (of: Shown): number =>
    of === "all" ? all.length : all.filter(({ figures }) => figures.urgency === of).length;
  return (
    <>
      <PageHead title="Overview" beside={<Summary rows={all} />} />
      {daemons.value.map(({ live, name }) =>
        live.storeTrouble.value === "" ? null : (
          <Note tone="bad" key={name}>
            {several && `${name}: `}Durable records cannot be kept: {live.storeTrouble.value}
          </Note>
        ),
      )}
      <div class="filters">
        <fieldset class="chips">
          <legend class="hidden">Which components</legend>
          {shownTitles.map(([value, title]) => (
            <label key={value} class={`chip chip-${value}`}>
              <input
                type="radio"
                name="shown"
                checked={shown.value === value}
                onChange={() => (shown.value = value)}
              />
              <span>
                {title} <b>{count(many(value))}</b>
              </span>
            </label>
          ))}
        </fieldset>
        <Field
          label="Find"
          type="search"
          placeholder="Name or type"
          value={search.value}
          onInput={(value) => (search.value = value)}
        />
      </div>
      {rows.length > 0 ? (
        <Table
          name="components"
          caption="Components, what needs attention first"
          columns={columns}
          rows={rows}
          rowKey={({ daemon, live }) => `${daemon.index}/${live.component.name}`}
          rowClass={({ figures }) => `row-${figures.urgency}`}
        />
      ) : connecting ? (
        <Loading />
      ) : (
        <Empty title={all.length === 0 ? "There are no components." : "No component matches."}>
          {all.length === 0 && "Put a component file into the folder that the daemon reads."}
        </Empty>
      )}
      {daemons.value.map((daemon) => (
        <Fleet key={daemon.index} daemon={daemon} />
      ))}
    </>
  );
}

function rowsOf(daemon: Daemon): Row[] {
  const now = daemon.live.now.value;
  return Array.from(daemon.live.components.value.values(), (live) => ({
    daemon,
    live,
    figures: figuresOf(live, now),
    now,
  }));
}

function Summary({ rows }: { rows: readonly Row[] }): JSX.Element {
  const attention = rows.filter(({ figures }) => figures.urgency === "attention").length;
  if (rows.length === 0) return <span />;
  return attention === 0 ? (
    <span class="summary tone-good">
      <span class="mark" aria-hidden="true">
        ●
      </span>
      All is well
    </span>
  ) : (
    <span class="summary tone-warn">
      <span class="mark" aria-hidden="true">
        ▲
      </span>
      {plural(attention, "component needs", "components need")} attention
    </span>
  );
}

function columnsOf(
  several: boolean,
  sort: { key: SortKey; down: boolean },
  onSort: (key: SortKey) => void,
): Column<Row>[] {
  const sorted = (key: SortKey): NonNullable<Column<Row>["sort"]> => ({
    active: sort.key !== key ? "none" : sort.down ? "descending" : "ascending",
    toggle: () => onSort(key),
  });
  return [
    { key: "name", title: "Component", header: true, sort: sorted("name"), cell: nameCell },
    ...(several
      ? [{ key: "daemon", title: "Daemon", cell: ({ daemon }: Row) => daemon.name }]
      : []),
    {
      key: "state",
      title: "State",
      sort: sorted("attention"),
      cell: ({ live }) => <Badge word={stateWord(live.component.state)} />,
    },
    figures("inFlight", "In flight", ({ figures }) => count(figures.inFlight)),
    figures("backlog", "Backlog", ({ figures }) => optional(figures.backlog, count)),
    figures("rate", "Rate", ({ figures }) => rate(figures.rate)),
    figures("latency", "Latency", ({ figures }) => optional(figures.latency, span)),
    figures("attempts", "Attempts", ({ figures }) => count(figures.attempts)),
    figures("deadLetters", "Dead letters", ({ daemon, live }) =>
      live.deadLetters === 0 ? (
        "0"
      ) : (
        <a
          href={link(daemon.index, "dead-letters", "", "", { component: live.component.name })}
          aria-label={`${plural(live.deadLetters, "dead letter")} of ${live.component.name}`}
        >
          {count(live.deadLetters)}
        </a>
      ),
    ),
    {
      key: "line",
      title: "Last 10 minutes",
      cell: ({ live, now }) => (
        <Sparkline
          values={seriesOf(live, now, (sample) => sample.attempts + sample.invocations, 0)}
          fails={seriesOf(live, now, (sample) => sample.failures, 0)}
        />
      ),
    },
  ];

  function figures(key: SortKey, title: string, cell: Column<Row>["cell"]): Column<Row> {
    return { key, title, figures: true, sort: sorted(key), cell };
  }
}

function nameCell({ daemon, live, figures }: Row): JSX.Element {
  const { component } = live;
  const reason = [component.reason, figures.trouble].filter((one) => one !== "").join("; ");
  return (
    <>
      <span class="component-line">
        <a class="component-name" href={link(daemon.index, "components", component.name)}>
          {component.name}
        </a>{" "}
        <span class="component-about">
          {component.type.replace(/^bindings\./, "")}
          {component.directions.length > 0 && ` · ${directionsWord(component.directions)}`}
        </span>
      </span>
      {reason !== "" && (
        <span class="component-reason" title={reason}>
          {reason}
        </span>
      )}
    </>
  );
}

function optional(
  value: number | undefined,
  format: (value: number) => string,
): JSX.Element | string {
  if (value !== undefined) return format(value);
  return (
    <span class="none" title="Not known">
      –
    </span>
  );
}

function nextSort(
  before: { key: SortKey; down: boolean },
  key: SortKey,
): { key: SortKey; down: boolean } {
  if (before.key === key) return { key, down: !before.down };
  return { key, down: key !== "name" && key !== "attention" };
}

function orderOf({ key, down }: { key: SortKey; down: boolean }): (one: Row, other: Row) => number {
  const sign = down ? -1 : 1;
  return (one, other) =>
    sign * compare(one, other) || one.live.component.name.localeCompare(other.live.component.name);

  function compare(one: Row, other: Row): number {
    if (key === "name") return one.live.component.name.localeCompare(other.live.component.name);
    if (key === "attention") return one.figures.order - other.figures.order;
    if (key === "deadLetters") return one.live.deadLetters - other.live.deadLetters;
    return (one.figures[key] ?? -1) - (other.figures[key] ?? -1);
  }
}

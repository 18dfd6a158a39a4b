import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** A column of a table. */
export type Column<Row> = {
  readonly key: string;
  readonly title: ComponentChildren;
  readonly cell: (row: Row) => ComponentChildren;
  /** Right-aligned figures. */
  readonly figures?: boolean;
  /** Is the row's header. */
  readonly header?: boolean;
  /** How it can be sorted by it. */
  readonly sort?: {
    readonly active: "ascending" | "descending" | "none";
    readonly toggle: () => void;
  };
};

type TableProps<Row> = {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly rowClass?: ((row: Row) => string) | undefined;
  readonly name: string;
};

/** More rows than these are windowed: those near the screen are there, the others are room. */
const whole = 120;
/** Rows beyond the edges of the screen. */
const margin = 12;

/** A table of any number of rows, of one height where they are many. In a narrow window each row is a block. */
export function Table<Row>(props: TableProps<Row>): JSX.Element {
  const { caption, columns, rows, rowKey, rowClass, name } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const { from, to, height } = useWindow(body, rows.length);
  useKeptFocus(body);
  const shown = rows.slice(from, to);
  return (
    <table
      class={`table ${name} ${rows.length > whole ? "windowed" : ""}`}
      role="table"
      aria-rowcount={rows.length + 1}
    >
      <caption class="hidden">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row" aria-rowindex={1}>
          {columns.map((column) => (
            <th
              key={column.key}
              scope="col"
              role="columnheader"
              class={`col-${column.key} ${column.figures ? "figures" : ""}`}
              aria-sort={column.sort?.active}
            >
              {column.sort ? (
                <button type="button" class="sort" onClick={column.sort.toggle}>
                  {column.title}
                  <span aria-hidden="true" class={`sort-mark ${column.sort.active}`} />
                </button>
              ) : (
                column.title
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body} role="rowgroup">
        {from > 0 && <Room key="room-before" height={from * height} columns={columns.length} />}
        {shown.map((row, at) => {
          const key = rowKey(row);
          return (
            <tr
              key={key}
              data-key={key}
              role="row"
              aria-rowindex={from + at + 2}
              class={rowClass?.(row)}
            >
              {columns.map((column) => {
                const className = `col-${column.key} ${column.figures ? "figures" : ""}`;
                const label = typeof column.title === "string" ? column.title : undefined;
                return column.header ? (
                  <th key={column.key} scope="row" role="rowheader" class={className}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.key} role="cell" class={className} data-label={label}>
                    {column.cell(row)}
                  </td>
                );
              })}
            </tr>
          );
        })}
        {to < rows.length && (
          <Room key="room-after" height={(rows.length - to) * height} columns={columns.length} />
        )}
      </tbody>
    </table>
  );
}

function Room({ height, columns }: { height: number; columns: number }): JSX.Element {
  return (
    <tr class="room" aria-hidden="true" style={{ height: `${height}px` }}>
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  );
}

/** Which rows are near the screen. */
function useWindow(
  body: { readonly current: HTMLTableSectionElement | null },
  length: number,
): { from: number; to: number; height: number } {
  const [height, setHeight] = useState(56);
  const [range, setRange] = useState({ from: 0, to: whole });
  useEffect(() => {
    if (length <= whole) return;
    let frame = 0;
    const look = (): void => {
      frame = 0;
      const element = body.current;
      const row = element?.querySelector<HTMLElement>("tr[data-key]");
      if (!element || !row) return;
      const one = row.offsetHeight || height;
      const top = -element.getBoundingClientRect().top;
      const from = Math.max(Math.floor(top / one) - margin, 0);
      const to = Math.ceil((top + innerHeight) / one) + margin;
      setHeight(one);
      setRange((before) => (before.from === from && before.to === to ? before : { from, to }));
    };
    const soon = (): void => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [length, height]);
  if (length <= whole) return { from: 0, to: length, height };
  const from = Math.min(range.from, Math.max(length - 1, 0));
  return { from, to: Math.min(Math.max(range.to, from + 1), length), height };
}

/** Gives the focus back to a row that lost it because it was moved. */
function useKeptFocus(body: { readonly current: HTMLTableSectionElement | null }): void {
  const focused = useRef<{ key: string; at: number } | undefined>(undefined);
  useEffect(() => {
    const element = body.current;
    if (!element) return;
    const note = ({ target }: FocusEvent): void => {
      const row = target instanceof Element ? target.closest<HTMLElement>("tr[data-key]") : null;
      const key = row?.dataset["key"];
      focused.current =
        row && key !== undefined
          ? { key, at: [...row.querySelectorAll(focusable)].indexOf(target as Element) }
          : undefined;
    };
    // A row that is moved loses its focus to nothing; a person gives it to something.
    const forget = ({ relatedTarget }: FocusEvent): void => {
      if (relatedTarget !== null) focused.current = undefined;
    };
    element.addEventListener("focusin", note);
    element.addEventListener("focusout", forget);
    return () => {
      element.removeEventListener("focusin", note);
      element.removeEventListener("focusout", forget);
    };
  }, []);
  useLayoutEffect(() => {
    const wanted = focused.current;
    if (!wanted || document.activeElement !== document.body) return;
    const row = body.current?.querySelector(`tr[data-key="${CSS.escape(wanted.key)}"]`);
    const target = row?.querySelectorAll(focusable)[wanted.at];
    if (target instanceof HTMLElement) target.focus({ preventScroll: true });
  });
}

const focusable = "a[href], button, input";

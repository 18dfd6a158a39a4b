import type { JSX } from "preact";
import { useId } from "preact/hooks";

/** A line of the last ten minutes with its last and greatest value in words. `undefined`: there was nothing. */
export function Chart(props: {
  title: string;
  unit: string;
  values: readonly (number | undefined)[];
  format: (value: number) => string;
}): JSX.Element {
  const { title, unit, values, format } = props;
  const id = useId();
  const known = values.filter((value) => value !== undefined);
  const most = Math.max(...known, 0);
  const last = values.findLast((value) => value !== undefined);
  const [width, height] = [480, 90];
  const step = width / (values.length - 1);
  const scale = most === 0 ? 1 : most * 1.1;
  let path = "";
  let drawn = false;
  for (const [at, value] of values.entries()) {
    if (value !== undefined) {
      const y = (height - 2 - (value / scale) * (height - 6)).toFixed(1);
      path += `${drawn ? "L" : "M"}${(at * step).toFixed(1)} ${y}`;
      // A value between nothing and nothing would be no line at all.
      if (!drawn && values[at + 1] === undefined) path += "h2";
    }
    drawn = value !== undefined;
  }
  return (
    <figure class="chart card" aria-labelledby={id}>
      <figcaption id={id}>
        <span class="chart-title">{title}</span> <span class="chart-unit">{unit}</span>
        <span class="chart-figures">
          {last === undefined ? (
            "nothing in the last 10 minutes"
          ) : (
            <>
              <b>{format(last)}</b> last, {format(most)} at most
            </>
          )}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <path class="grid" d={`M0 ${height - 1}H${width}M0 ${height / 2}H${width}M0 1H${width}`} />
        <path class="line" d={path} />
      </svg>
      <p class="chart-axis" aria-hidden="true">
        <span>10 min ago</span>
        <span>now</span>
      </p>
    </figure>
  );
}

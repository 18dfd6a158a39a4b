import type { JSX } from "preact";

/** A line of the last minutes, without words: the figures beside it say the same. */
export function Sparkline(props: {
  values: readonly number[];
  fails: readonly number[];
}): JSX.Element {
  const { values, fails } = props;
  const [width, height] = [120, 28];
  const most = Math.max(...values, 1);
  const step = width / (values.length - 1);
  const point = (value: number, at: number): string =>
    `${(at * step).toFixed(1)} ${(height - 1 - (value / most) * (height - 4)).toFixed(1)}`;
  const line = values.map(point).join("L");
  const failed = fails.flatMap((count, at) =>
    count > 0 ? [`M${(at * step).toFixed(1)} ${height}v-${height}`] : [],
  );
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="area" d={`M0 ${height}L${line}L${width} ${height}Z`} />
      <path class="line" d={`M${line}`} />
      {failed.length > 0 && <path class="fail" d={failed.join("")} />}
    </svg>
  );
}

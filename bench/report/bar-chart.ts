/** A bar: solid up to its value, and pale up to `upTo` where a range is shown. */
export type Bar = {
  readonly label: string;
  readonly color: string;
  readonly value: number;
  readonly upTo?: number;
  /** Written behind it. */
  readonly text: string;
};

export type BarGroup = { readonly label: string; readonly bars: readonly Bar[] };

const width = 900;
const left = 190;
const right = 250;
const top = 62;
const barHeight = 15;
const barGap = 3;
const groupGap = 16;

/** Bars in groups, from the left, on one linear scale that begins at 0: an SVG that needs nothing else. */
export function barChart(title: string, subtitle: string, groups: readonly BarGroup[]): string {
  const all = groups.flatMap(({ bars }) => bars);
  const most = Math.max(...all.map(({ value, upTo }) => upTo ?? value), Number.MIN_VALUE);
  const scale = (value: number): number => (value / most) * (width - left - right);
  const parts: string[] = [];
  let y = top;
  for (const { label, bars } of groups) {
    const middle = y + (bars.length * (barHeight + barGap)) / 2 + 3;
    parts.push(
      `<text x="${left - 10}" y="${round(middle)}" text-anchor="end" font-weight="600">${escape(label)}</text>`,
    );
    for (const bar of bars) {
      parts.push(...barParts(bar, y, scale));
      y += barHeight + barGap;
    }
    y += groupGap;
  }
  const height = y + 4;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="24" font-size="16" font-weight="600">${escape(title)}</text>`,
    `<text x="16" y="43" fill="#666">${escape(subtitle)}</text>`,
    `<line x1="${left}" x2="${left}" y1="${top - 6}" y2="${height - 12}" stroke="#bbb"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function barParts(bar: Bar, y: number, scale: (value: number) => number): string[] {
  const { color, value, upTo, label, text } = bar;
  const end = scale(upTo ?? value);
  const pale = upTo === undefined ? [] : [rectangle(y, end, color, ` fill-opacity="0.35"`)];
  return [
    ...pale,
    rectangle(y, Math.max(1, scale(value)), color, ""),
    `<text x="${round(left + Math.max(1, end) + 6)}" y="${y + 12}">${escape(text)} <tspan fill="#666">${escape(label)}</tspan></text>`,
  ];
}

function rectangle(y: number, length: number, color: string, more: string): string {
  return `<rect x="${left}" y="${y}" width="${round(length)}" height="${barHeight}" fill="${color}"${more}/>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

import { posix } from "node:path";

/** The names that a handled file gets when its own is taken: `orders/report-1.csv` for `orders/report.csv`. */
export function numberedName(wanted: string, number: number): string {
  if (number === 0) return wanted;
  const { dir, name, ext } = posix.parse(wanted);
  return posix.join(dir, `${name}-${number}${ext}`);
}

import type { Histogram } from "./histogram.ts";

export type Labels = Readonly<Record<string, string>>;

/** The content type of {@link Exposition.text}. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** Writes Prometheus' text format: one family after the other, each with its samples. */
export class Exposition {
  readonly #lines: string[] = [];

  /** Begins a family; its samples follow. */
  family(name: string, type: "counter" | "gauge" | "histogram", help: string): void {
    this.#lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${type}`);
  }

  sample(name: string, labels: Labels, value: number): void {
    this.#lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
  }

  histogram(name: string, labels: Labels, histogram: Histogram): void {
    for (const { bound, count } of histogram.cumulative()) {
      this.sample(`${name}_bucket`, { ...labels, le: bound }, count);
    }
    this.sample(`${name}_sum`, labels, histogram.sum);
    this.sample(`${name}_count`, labels, histogram.count);
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
  );
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

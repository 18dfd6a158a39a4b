export type Labels = Readonly<Record<string, string>>;

/** What a page of metrics is, for its `content-type`. */
export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** Counts durations, in milliseconds, by buckets. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** `bounds`: the buckets' upper ends, rising. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.#bounds.length && value > (this.#bounds[index] ?? 0)) index++;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** How many were observed. */
  get count(): number {
    return this.#counts.reduce((sum, one) => sum + one, 0);
  }

  get sum(): number {
    return this.#sum;
  }

  /** The buckets as Prometheus wants them: each with all that are smaller, the last without end. */
  get buckets(): { readonly le: string; readonly count: number }[] {
    let count = 0;
    return this.#counts.map((one, index) => {
      count += one;
      return { le: String(this.#bounds[index] ?? "+Inf"), count };
    });
  }
}

/** Writes a page of metrics in Prometheus' text format. */
export class Exposition {
  #text = "";
  /** What is written before the metric's first sample. */
  #head = "";
  readonly #seen: Set<string>;

  /** `seen`: the gauges that were not zero at an earlier page; this one adds its own. */
  constructor(seen = new Set<string>()) {
    this.#seen = seen;
  }

  /** Begins a metric; its samples follow. One without samples is left out. */
  metric(name: string, type: "counter" | "gauge" | "histogram", help: string): void {
    this.#head = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  sample(name: string, labels: Labels, value: number): void {
    this.#text += `${this.#head}${seriesOf(name, labels)} ${value}\n`;
    this.#head = "";
  }

  /** A sample that is left out while it has always been zero. Once it was not, it is written. */
  sampleIfEver(name: string, labels: Labels, value: number): void {
    const series = seriesOf(name, labels);
    if (value === 0 && !this.#seen.has(series)) return;
    this.#seen.add(series);
    this.sample(name, labels, value);
  }

  /** Whether {@link sampleIfEver} has written the series, now or earlier. */
  has(name: string, labels: Labels): boolean {
    return this.#seen.has(seriesOf(name, labels));
  }

  histogram(name: string, labels: Labels, histogram: Histogram): void {
    for (const { le, count } of histogram.buckets)
      this.sample(`${name}_bucket`, { ...labels, le }, count);
    this.sample(`${name}_sum`, labels, histogram.sum);
    this.sample(`${name}_count`, labels, histogram.count);
  }

  toString(): string {
    return this.#text;
  }
}

function seriesOf(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}{${pairs.join(",")}}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

import type {
  Attributes,
  HistogramDefinition,
  HistogramPoint,
  MetricFamily,
  NumberDefinition,
  NumberPoint,
} from "./metric-model.ts";

type Known = { readonly value: number; readonly since: number };

/**
 * What is remembered of the series from one collection to the next of the same collector: which were not zero, and since
 * when counters count. A series that a collection does not have is forgotten.
 */
export class SeriesMemory {
  /** When counting began, in milliseconds since 1970. */
  readonly began: number;
  /** When the latest collection was made. */
  lastAt: number;
  series: ReadonlyMap<string, Known> = new Map();

  constructor(began: number) {
    this.began = this.lastAt = began;
  }
}

/** Takes the metrics of one moment. A metric without points is left out. */
export class Collection {
  readonly #memory: SeriesMemory;
  readonly #series = new Map<string, Known>();
  readonly #numbers = new Map<string, NumberDefinition & { readonly points: NumberPoint[] }>();
  readonly #histograms = new Map<
    string,
    HistogramDefinition & { readonly points: HistogramPoint[] }
  >();
  readonly #families: MetricFamily[] = [];

  constructor(memory: SeriesMemory) {
    this.#memory = memory;
  }

  number(definition: NumberDefinition, attributes: Attributes, value: number): void {
    const { name } = definition;
    const series = seriesOf(name, attributes);
    const { began, lastAt } = this.#memory;
    const known = this.#memory.series.get(series);
    // What counts less than before began anew, some time after it was last asked.
    const since = known === undefined ? began : value < known.value ? lastAt : known.since;
    this.#series.set(series, { value, since });
    let family = this.#numbers.get(name);
    if (family === undefined) {
      family = { ...definition, points: [] };
      this.#numbers.set(name, family);
      this.#families.push(family);
    }
    family.points.push({ attributes, value, since });
  }

  /** A number that is left out while it has always been zero. Once it was not, it is there. */
  numberIfEver(definition: NumberDefinition, attributes: Attributes, value: number): void {
    if (value === 0 && !this.#memory.series.has(seriesOf(definition.name, attributes))) return;
    this.number(definition, attributes, value);
  }

  /** Whether the collection has the number. */
  has({ name }: NumberDefinition, attributes: Attributes): boolean {
    return this.#series.has(seriesOf(name, attributes));
  }

  histogram(definition: HistogramDefinition, point: HistogramPoint): void {
    const { name } = definition;
    let family = this.#histograms.get(name);
    if (family === undefined) {
      family = { ...definition, points: [] };
      this.#histograms.set(name, family);
      this.#families.push(family);
    }
    family.points.push(point);
  }

  /** All that was taken, in the order of their first points. Ends the collection. */
  end(): readonly MetricFamily[] {
    this.#memory.series = this.#series;
    this.#memory.lastAt = Date.now();
    return this.#families;
  }
}

function seriesOf(name: string, attributes: Attributes): string {
  return [name, ...Object.values(attributes)].join("\0");
}

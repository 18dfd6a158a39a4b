import type { OracleEvent, Produced } from "./oracle.ts";
import { tickEvent } from "./tick.ts";

/** Around a fault a tick may be left out by right: these milliseconds before and after count for nothing. */
const margin = 1_000;

/** The full seconds while nothing disturbed the runtime: those in which each component must have ticked. */
export class UndisturbedSeconds {
  readonly #components: readonly string[];
  readonly #spans: { readonly from: number; to?: number }[] = [];

  /** The names of the components that tick each second. */
  constructor(components: readonly string[]) {
    this.#components = components;
  }

  begin(): void {
    this.#spans.push({ from: Date.now() });
  }

  end(): void {
    const span = this.#spans.at(-1);
    if (span !== undefined) span.to ??= Date.now();
  }

  /** The ticks that must have come but for those that are `told`, and those that came beside them: they too are to come once and in order. */
  ticks(handled: readonly OracleEvent[], logged: ReadonlySet<string>): Produced[] {
    const due = this.#due().filter(({ uuid }) => !logged.has(uuid));
    const known = new Set(due.map(({ uuid }) => uuid));
    for (const { key, sequence, uuid } of handled) {
      if (known.has(uuid)) continue;
      known.add(uuid);
      due.push({ key, sequence, uuid, at: sequence * 1000, durable: true });
    }
    return due;
  }

  #due(): Produced[] {
    const ticks: Produced[] = [];
    for (const { from, to = Date.now() } of this.#spans) {
      const first = Math.ceil((from + margin) / 1000);
      for (let second = first; second * 1000 < to - margin; second++) {
        const at = second * 1000;
        for (const component of this.#components)
          ticks.push({ ...tickEvent(component, at), at, durable: true });
      }
    }
    return ticks;
  }
}

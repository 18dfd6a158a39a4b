import { longestTimer } from "../../metadata/duration.ts";

/** Reads OpenTelemetry's variables; what is wrong or unknown is told, once each. */
export class Environment {
  readonly #variables: Readonly<Record<string, string | undefined>>;
  readonly #read = new Set<string>();
  readonly warnings: string[] = [];

  constructor(variables: Readonly<Record<string, string | undefined>>) {
    this.#variables = variables;
  }

  /** A text without blanks around it; empty counts as absent, as the specification says. */
  text(name: string): string | undefined {
    this.#read.add(name);
    const text = this.#variables[name]?.trim();
    return text === "" ? undefined : text;
  }

  /** The first of the variables that is set. */
  first(names: readonly string[]): { name: string; text: string } | undefined {
    let found: { name: string; text: string } | undefined;
    for (const name of names) {
      const text = this.text(name);
      if (text !== undefined) found ??= { name, text };
    }
    return found;
  }

  /** True only for `true`, in any case. */
  bool(name: string): boolean {
    const text = this.text(name)?.toLowerCase();
    if (text !== undefined && text !== "true" && text !== "false")
      this.warn(`${name} must be true or false; false counts instead of ${quote(text)}`);
    return text === "true";
  }

  /**
   * A whole number of at least `least`; anything else is told, and the default counts. Of one above `most`, which is told too, that
   * counts: as milliseconds a timer could not wait any longer, and would not wait at all.
   */
  number(name: string, otherwise: number, least = 0, most = longestTimer): number {
    return this.optional([name], least, most) ?? otherwise;
  }

  /** The number of the first of the variables that is set. */
  optional(names: readonly string[], least = 0, most = longestTimer): number | undefined {
    const found = this.first(names);
    if (found === undefined) return undefined;
    const value = Math.floor(Number(found.text));
    if (value > most) {
      this.warn(`${found.name} must be a number of at most ${most}, which counts instead`);
      return most;
    }
    if (Number.isFinite(value) && value >= least) return value;
    this.warn(
      `${found.name} must be a number of at least ${least}; the default counts instead of ${quote(found.text)}`,
    );
    return undefined;
  }

  /** `name=value` pairs with commas between, percent-encoded as in W3C's baggage. Values are not shown: they may be secrets. */
  pairs(name: string): Record<string, string> {
    const pairs: Record<string, string> = {};
    for (const part of (this.text(name) ?? "").split(",")) {
      const [pair = ""] = part.split(";");
      const at = pair.indexOf("=");
      const key = pair.slice(0, at).trim();
      if (part.trim() === "") continue;
      const value = at > 0 && key !== "" ? decoded(pair.slice(at + 1).trim()) : undefined;
      if (value === undefined)
        this.warn(
          `${name} must be name=value pairs with commas between them; one of them is left out`,
        );
      else pairs[decoded(key) ?? key] = value;
    }
    return pairs;
  }

  /** These are read elsewhere, or say what is so anyway. */
  known(...names: readonly string[]): void {
    for (const name of names) this.#read.add(name);
  }

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text);
  }

  /** Names the variables of OpenTelemetry's that nobody has read. */
  warnOfOthers(): void {
    const others = Object.keys(this.#variables)
      .filter((name) => name.startsWith("OTEL_") && !this.#read.has(name))
      .filter((name) => this.#variables[name]?.trim());
    if (others.length > 0)
      this.warn(`these variables have no effect here: ${others.toSorted().join(", ")}`);
  }
}

export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

import type { Logger } from "../binding.ts";
import { formatDuration } from "../metadata/duration.ts";

/** So many lines of a kind are written at once in a window. */
const atOnce = 5;
/** A window's length; each one that overflows is followed by one of twice the length. Milliseconds. */
const windows = { first: 10_000, longest: 600_000 };
/** Kinds beyond these are told apart by level and message alone. */
const mostKinds = 100;
const longestReason = 200;

type Level = keyof Logger;

/** The lines of a kind in the present window. */
type Kind = {
  written: number;
  /** Those that were not written. */
  suppressed: number;
  /** Writes the last of them. */
  writeLast: ((about: { repeated: number; within: string }) => void) | undefined;
  /** How long the window is, in milliseconds. */
  length: number;
  /** When it began, by `performance.now()`. */
  since: number;
  /** Ends the window; set where something is suppressed, and in the windows after. */
  timer: NodeJS.Timeout | undefined;
};

/**
 * A logger whose lines of one kind, by level, message, reason and name, do not flood the log: of each window the first
 * five are written, and of all others the last, at the window's end, with their number (`repeated`).
 * What is a number or an id in a text makes no kind of its own. Debug lines are all written.
 */
export class SampledLogger implements Logger {
  readonly debug: Logger["debug"];
  readonly info: Logger["info"] = this.#sample("info");
  readonly warn: Logger["warn"] = this.#sample("warn");
  readonly error: Logger["error"] = this.#sample("error");
  readonly #logger: Logger;
  readonly #kinds = new Map<string, Kind>();

  constructor(logger: Logger) {
    this.#logger = logger;
    this.debug = (fields, message) => logger.debug(fields, message);
  }

  /** Writes what is suppressed of all kinds, at the end. */
  flush(): void {
    for (const kind of this.#kinds.values()) {
      clearTimeout(kind.timer);
      logSuppressed(kind);
    }
    this.#kinds.clear();
  }

  #sample(level: Exclude<Level, "debug">): Logger["info"] {
    return (fields, message) => {
      const key = this.#keyOf(level, fields, message);
      const kind = this.#kindOf(key);
      if (kind.timer === undefined && kind.written < atOnce) {
        kind.written++;
        return this.#logger[level](fields, message);
      }
      kind.suppressed++;
      kind.writeLast = (about) => this.#logger[level]({ ...fields, ...about }, message);
      const rest = kind.since + kind.length - performance.now();
      kind.timer ??= setTimeout(() => this.#close(key, kind), rest).unref();
    };
  }

  #keyOf(level: Level, fields: object, message: string): string {
    const general = `${level} ${generalised(message)}`;
    const own = `${general} ${textOf(fields, "reason")} ${textOf(fields, "name")}`;
    if (this.#kinds.has(own) || this.#kinds.size < mostKinds) return own;
    for (const [key, kind] of this.#kinds) if (isOver(kind)) this.#kinds.delete(key);
    return this.#kinds.size < mostKinds ? own : general;
  }

  #kindOf(key: string): Kind {
    const known = this.#kinds.get(key);
    if (known !== undefined && !isOver(known)) return known;
    const kind: Kind = {
      ...{ written: 0, suppressed: 0, writeLast: undefined, timer: undefined },
      ...{ length: windows.first, since: performance.now() },
    };
    this.#kinds.set(key, kind);
    return kind;
  }

  #close(key: string, kind: Kind): void {
    if (kind.suppressed === 0) return void this.#kinds.delete(key);
    logSuppressed(kind);
    kind.length = Math.min(kind.length * 2, windows.longest);
    kind.since = performance.now();
    kind.timer = setTimeout(() => this.#close(key, kind), kind.length).unref();
  }
}

/** Its window has passed with nothing suppressed to tell. */
function isOver({ timer, since, length }: Kind): boolean {
  return timer === undefined && performance.now() >= since + length;
}

function logSuppressed(kind: Kind): void {
  const { suppressed, since, writeLast } = kind;
  kind.suppressed = 0;
  kind.writeLast = undefined;
  if (suppressed === 0) return;
  writeLast?.({
    repeated: suppressed,
    within: formatDuration(Math.round(performance.now() - since)),
  });
}

function textOf(fields: object, name: string): string {
  const text = Object.entries(fields).find(([key]) => key === name)?.[1] as unknown;
  return typeof text === "string" ? generalised(text) : "";
}

/** A text with a sign for all that may differ each time. */
function generalised(text: string): string {
  return text.slice(0, longestReason).replaceAll(/[0-9a-f]{8,}|\d+/gi, "#");
}

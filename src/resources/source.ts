import type { Origin } from "../component.ts";
import type { Excerpt, ResourceProblem } from "./problem.ts";

/** A part of a file's text, in UTF-16 units: from the first, up to before the second. */
export type Range = readonly [start: number, end: number];

type Mark = { readonly start: number; readonly end: number; readonly safe: boolean };

/**
 * A resource file's text. It tells lines and columns, collects the file's problems, and shows excerpts
 * in which only what was marked as safe can be read: a value is hidden until somebody vouches for it.
 */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[] = [0];
  readonly #marks = new Map<number, Mark>();
  readonly #unparsed: Range[] = [];
  #sorted: Mark[] | undefined;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1))
      this.#lineStarts.push(at + 1);
  }

  /** The range may be shown in excerpts (`safe`), or must not be. The latest word on a range counts. */
  mark(range: Range, safe: boolean): void {
    if (range[1] <= range[0]) return;
    this.#marks.set(range[0], { start: range[0], end: range[1], safe });
    this.#sorted = undefined;
  }

  /** The range could not be parsed: its excerpts show keys only. */
  markUnparsed(range: Range): void {
    this.#unparsed.push(range);
  }

  origin(offset: number): Origin {
    const line = this.#lineOf(offset);
    return { file: this.file, line: line + 1, column: offset - (this.#lineStarts[line] ?? 0) + 1 };
  }

  /** A problem at the range. Made when all marks are set, so that the excerpt hides what it must. */
  problem(
    severity: ResourceProblem["severity"],
    range: Range,
    message: string,
    suggestion?: string,
  ): ResourceProblem {
    return {
      severity,
      ...this.origin(range[0]),
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
      excerpt: this.#excerpt(range),
    };
  }

  /**
   * The text of the range, with as many lines, where only what is safe can be read, and comments. `hidden`: what begins there
   * must not be read, whatever was said. `instead`: what is shown in place of what is hidden and begins there. `redact`:
   * hides what must not be read in comments, and in what begins at `values`.
   */
  shown(
    [start, end]: Range,
    options: {
      readonly hidden: ReadonlySet<number>;
      readonly instead: ReadonlyMap<number, string>;
      readonly values: ReadonlySet<number>;
      readonly redact: (text: string) => string;
    },
  ): string {
    const { hidden, instead, values, redact } = options;
    if (this.#unparsed.some(([from, to]) => start < to && end >= from))
      return this.text.slice(start, end).split("\n").map(keysOnly).join("\n");
    let text = "";
    let at = start;
    for (const mark of this.#marksWithin(start, end)) {
      const from = Math.max(mark.start, at);
      const to = Math.min(mark.end, end);
      if (to <= from) continue;
      text += between(this.text.slice(at, from), this.#beginsLine(at), redact);
      const part = this.text.slice(from, to);
      const isWhole = from === mark.start;
      if (mark.safe && isWhole && !hidden.has(from)) text += values.has(from) ? redact(part) : part;
      else if (part.trim() !== "") text += (instead.get(from) ?? "***") + lineEnds(part);
      else text += part;
      at = to;
    }
    return text + between(this.text.slice(at, end), this.#beginsLine(at), redact);
  }

  #beginsLine(at: number): boolean {
    return at === 0 || this.text[at - 1] === "\n";
  }

  /** The first and last line of a range. The first of the file is 1. */
  linesOf([start, end]: Range): { first: number; last: number } {
    return { first: this.#lineOf(start) + 1, last: this.#lineOf(Math.max(start, end - 1)) + 1 };
  }

  #excerpt(range: Range): Excerpt {
    const line = this.#lineOf(range[0]);
    const first = Math.max(0, line - 1);
    const before = first < line ? [this.#show(first, range).text] : [];
    const shown = this.#show(line, range);
    return clip({
      firstLine: first + 1,
      lines: [...before, shown.text],
      caret: shown.caret,
      length: shown.length,
    });
  }

  #lineOf(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #show(line: number, caret: Range): { text: string; caret: number; length: number } {
    const start = this.#lineStarts[line] ?? 0;
    const end =
      start +
      this.text.slice(start, this.#lineStarts[line + 1] ?? this.text.length).trimEnd().length;
    if (this.#unparsed.some(([from, to]) => start < to && end >= from)) {
      const text = keysOnly(this.text.slice(start, end));
      return { text, caret: Math.min(Math.max(0, caret[0] - start), text.length), length: 1 };
    }
    // `places` maps offsets of the file to columns of what is shown, in growing order.
    let text = "";
    const places: [offset: number, column: number][] = [];
    const show = (from: number, part: string): void => {
      places.push([from, text.length]);
      text += part;
    };
    let at = start;
    for (const mark of this.#marksWithin(start, end)) {
      const from = Math.max(mark.start, at);
      if (from > at) show(at, punctuation(this.text.slice(at, from)));
      const to = Math.min(mark.end, end);
      if (to > from) show(from, mark.safe ? this.text.slice(from, to) : "***");
      at = Math.max(at, to);
    }
    if (at < end) show(at, punctuation(this.text.slice(at, end)));
    places.push([end, text.length]);
    const columnOf = (offset: number): number => {
      const index = places.findLastIndex(([place]) => place <= offset);
      const [place, column] = places[index] ?? [start, 0];
      return Math.min(column + Math.max(0, offset - place), places[index + 1]?.[1] ?? text.length);
    };
    const from = columnOf(caret[0]);
    return {
      text: text.trimEnd(),
      caret: from,
      length: Math.max(1, columnOf(Math.min(caret[1], end)) - from),
    };
  }

  #marksWithin(start: number, end: number): Mark[] {
    this.#sorted ??= [...this.#marks.values()].sort((a, b) => a.start - b.start);
    return this.#sorted.filter((mark) => mark.start < end && mark.end > start);
  }
}

/** A problem of a file or folder as a whole. */
export function wholeFileProblem(
  severity: ResourceProblem["severity"],
  file: string,
  message: string,
): ResourceProblem {
  return { severity, file, line: 0, column: 0, message };
}

/** What stands between marked parts: YAML's own characters are shown, a comment is left out, the rest hidden. */
function punctuation(text: string): string {
  const shown = /^[\s:,{}[\]-]*/.exec(text)?.[0] ?? "";
  const rest = text.slice(shown.length);
  if (rest === "" || rest.startsWith("#")) return shown;
  const after = /[\s,{}[\]]*$/.exec(rest)?.[0] ?? "";
  return `${shown}***${after}`;
}

/** As many lines as the text had, in place of it. */
function lineEnds(text: string): string {
  return "\n".repeat(text.split("\n").length - 1);
}

/**
 * What stands between marked parts, with its comments, in which what looks like a value is hidden. `isLineStart`: it begins
 * a line, where a comment needs no space before it.
 */
function between(text: string, isLineStart: boolean, redact: (text: string) => string): string {
  const lines = text.split("\n");
  return lines
    .map((line, index) => {
      const begins = index > 0 || isLineStart;
      const [, before = "", said] = /^([\s:,{}[\]-]*)(#.*)$/.exec(line) ?? [];
      if (said !== undefined && (begins || /\s$/.test(before)))
        return before + redact(said.replace(commentedValue, "$1***").replaceAll(inUrl, "$1***@"));
      return begins && index < lines.length - 1 ? keysOnly(line) : punctuation(line);
    })
    .join("\n");
}

/** A value that somebody has put into a comment. */
const commentedValue = /^(#[\s#-]*(?:[\w.-]+\s*:\s*)+)\S.*$/;
/** What stands before the host of a URL. */
const inUrl = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi;

/** A line of a document that no parser understood: its key, and the value of few keys only. */
function keysOnly(line: string): string {
  const match = /^(\s*(?:- +)*)([A-Za-z][\w.-]*)(\s*:)(\s.*)?$/.exec(line);
  if (!match)
    return (/^\s*(?:---)?/.exec(line)?.[0] ?? "") + (/^\s*(?:---)?\s*$/.test(line) ? "" : "***");
  const [, indent = "", key = "", colon = "", value = ""] = match;
  if (value.trim() === "") return indent + key + colon;
  const plain = /^(?:apiVersion|kind|type|version|name)$/.test(key) && /^\s+[\w./-]+$/.test(value);
  return indent + key + colon + (plain ? value : " ***");
}

const widest = 120;

function clip(excerpt: Excerpt): Excerpt {
  const skipped = excerpt.caret > widest - 20 ? excerpt.caret - 40 : 0;
  const cut = (line: string): string => {
    const part = (skipped > 0 ? "…" : "") + line.slice(skipped, skipped + widest);
    return line.length > skipped + widest ? `${part}…` : part;
  };
  const caret = excerpt.caret - skipped + (skipped > 0 ? 1 : 0);
  const length = Math.min(excerpt.length, widest - caret);
  return {
    firstLine: excerpt.firstLine,
    lines: excerpt.lines.map(cut),
    caret,
    length: Math.max(1, length),
  };
}

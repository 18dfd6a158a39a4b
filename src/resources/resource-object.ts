import type { Origin } from "../component.ts";
import type { ResourceProblem } from "./problem.ts";
import { Source, type Range } from "./source.ts";
import type { Entry, Tree } from "./tree.ts";

/**
 * A resource that is an object of an API and stands in no file: it has a name in place of lines, and nothing of it is
 * quoted. Its text is JSON.
 */
export class ResourceObject extends Source {
  /** Without a column and a line, which are zero. */
  override origin(): Origin {
    return { file: this.file, line: 0, column: 0 };
  }

  override problem(
    severity: ResourceProblem["severity"],
    _range: Range,
    message: string,
    suggestion?: string,
  ): ResourceProblem {
    return {
      ...{ severity, file: this.file, line: 0, column: 0, message },
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  }

  override mark(): void {
    // There are no excerpts.
  }

  /** Its value. Ranges tell the order of the parts, and no place. */
  get tree(): Tree {
    let next = 0;
    const part = (value: unknown): Tree => {
      const range: Range = [next, ++next];
      if (Array.isArray(value)) return { kind: "list", range, items: value.map(part) };
      if (value instanceof WrittenNumber)
        return { kind: "scalar", range, scalar: { type: "number", text: value.text } };
      if (typeof value === "object" && value !== null) {
        const entries = Object.entries(value).map(([key, one]): Entry => {
          const keyRange: Range = [next, ++next];
          return { key, keyRange, value: part(one) };
        });
        return { kind: "map", range, entries };
      }
      if (typeof value === "string")
        return { kind: "scalar", range, scalar: { type: "string", text: value } };
      const type = typeof value === "boolean" ? "boolean" : "null";
      return { kind: "scalar", range, scalar: { type, text: String(value) } };
    };
    return part(JSON.parse(this.text, keepNumbers));
  }
}

/** The digits of a number as they are written. */
class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function keepNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" ? new WrittenNumber(context?.source ?? String(value)) : value;
}

import { string, type Field, type Parsed } from "../../metadata/fields.ts";
import { closest } from "../../metadata/suggest.ts";

/**
 * What becomes of an event whose attempts are used up, or that the app has rejected for good:
 *
 * - `deadLetter`: it is kept in the dead letters, and counts as handled.
 * - `output`: it is handed to an output's `create` operation, and counts as handled.
 * - `return`: it is returned to its source. For sources that cannot redeliver one alone: `halt`.
 * - `drop`: it counts as handled.
 * - `halt`: the component is paused, and the event is its source's again.
 */
export type OnExhausted =
  | { readonly kind: "deadLetter" | "return" | "drop" | "halt" }
  | { readonly kind: "output"; readonly output: string };

const words = ["deadLetter", "return", "drop", "halt"] as const;
const outputPrefix = "output:";

/** The component field `onExhausted`. */
export function onExhaustedField(): Field<OnExhausted, false> {
  const text = string({
    description:
      "What happens to an event whose attempts are used up: `deadLetter`, `output:NAME` (invokes `create` of that component), `return` (to the source), `drop`, or `halt` (pauses the component). Default: `deadLetter`; `return` for sources that count failed attempts themselves (`zeebe.jobworker`).",
    direction: "input",
    example: "deadLetter",
  });
  return { ...text, parse: parseOnExhausted };
}

function parseOnExhausted(text: string): Parsed<OnExhausted> {
  const written = text.trim();
  const kind = words.find((word) => word.toLowerCase() === written.toLowerCase());
  if (kind !== undefined) return { value: { kind } };
  if (written.toLowerCase().startsWith(outputPrefix)) {
    const output = written.slice(outputPrefix.length).trim();
    if (output === "") return { problem: "must name a component after output:" };
    return { value: { kind: "output", output } };
  }
  const meant = closest(written, [...words, "output:NAME", "output"]);
  const suggestion = meant === undefined ? "" : `; did you mean ${withName(meant)}?`;
  return { problem: `must be one of ${words.join(", ")} or output:NAME${suggestion}` };
}

function withName(word: string): string {
  return word === "output" ? "output:NAME" : word;
}

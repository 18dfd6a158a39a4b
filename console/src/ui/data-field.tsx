import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { hexOf, lineEndOf, textOf, type View, written } from "../bytes.ts";
import { Choice, Field } from "./fields.tsx";

/** A payload that somebody writes. */
export type Draft = { readonly view: View; readonly text: string };

const views: readonly (readonly [View, string])[] = [
  ["json", "JSON"],
  ["text", "Text"],
  ["hex", "Bytes"],
];

/** A field for a payload, written as JSON, text or bytes. */
export function DataField(props: {
  label: string;
  draft: Draft;
  onChange: (draft: Draft) => void;
  hint?: string;
  lines?: number;
}): JSX.Element {
  const { label, draft, onChange, hint, lines } = props;
  const before = useRef(lineEndOf(draft.text));
  const now = lineEndOf(draft.text);
  if (now !== undefined) before.current = now;
  const mixed = draft.view !== "hex" && now === "mixed";
  const write = (text: string): void => {
    const end = draft.view === "hex" || before.current === "mixed" ? undefined : before.current;
    onChange({ ...draft, text: end === undefined ? text : text.replaceAll("\n", end) });
  };
  return (
    <div class="data-field">
      <Choice
        label={`Write ${label.toLowerCase()} as`}
        value={draft.view}
        options={views}
        onChange={(view) => onChange({ view, text: rewritten(draft, view) })}
      />
      <Field
        label={label}
        // As the browser has it: each end of a line is one feed.
        value={draft.text.replaceAll(/\r\n?/g, "\n")}
        lines={lines ?? 6}
        hint={
          mixed
            ? "Its lines end in different ways. Changed here they all end with a line feed; written as bytes they stay."
            : hint
        }
        problem={problemOfDraft(draft)}
        onInput={write}
      />
    </div>
  );
}

/** What is wrong with what is written. Empty: nothing. */
export function problemOfDraft({ text, view }: Draft): string {
  if (text === "") return "";
  const bytes = written(text, view);
  return typeof bytes === "string" ? bytes : "";
}

/** The bytes of a draft without a problem. */
export function bytesOfDraft({ text, view }: Draft): Uint8Array<ArrayBuffer> {
  const bytes = text === "" ? new Uint8Array() : written(text, view);
  if (typeof bytes === "string") throw new Error(bytes);
  return bytes;
}

/** What is written, in another form. What is no text stays as it is. */
function rewritten(draft: Draft, view: View): string {
  const bytes = written(draft.text, draft.view);
  if (typeof bytes === "string") return draft.text;
  if (view === "hex") return hexOf(bytes);
  return textOf(bytes) ?? draft.text;
}

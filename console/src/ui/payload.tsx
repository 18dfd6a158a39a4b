import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { bestView, hexDump, looseText, prettyJson, textOf, type View } from "../bytes.ts";
import { size } from "../format.ts";
import { Choice } from "./fields.tsx";

const views: readonly (readonly [View, string])[] = [
  ["json", "JSON"],
  ["text", "Text"],
  ["hex", "Bytes"],
];

/** More bytes than these are shown when somebody asks for them. */
const short = { json: 200_000, text: 200_000, hex: 16_384 };

/** A payload as JSON, text or bytes. */
export function Payload(props: {
  label: string;
  data: Uint8Array | undefined;
  /** The size of the whole, where `data` is its beginning. */
  whole?: number;
}): JSX.Element {
  const { label, data, whole } = props;
  const [chosen, setChosen] = useState<View | undefined>(undefined);
  const [all, setAll] = useState(false);
  if (data === undefined) return <p class="quiet">No payload: the source says null.</p>;
  const view = chosen ?? bestView(data);
  const long = !all && data.length > short[view];
  const part = long ? data.subarray(0, short[view]) : data;
  const cut = whole !== undefined && whole > data.length;
  return (
    <div class="payload">
      <div class="payload-head">
        <span class="quiet">
          {size(whole ?? data.length)}
          {cut && `, the first ${size(data.length)} shown`}
        </span>
        <Choice label={`Show ${label} as`} value={view} options={views} onChange={setChosen} />
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="region" aria-label={`Content of ${label.toLowerCase()}`}>
        {data.length === 0 ? "(empty)" : shown(part, view)}
      </pre>
      {long && (
        <button type="button" class="button small" onClick={() => setAll(true)}>
          Show all {size(data.length)}
        </button>
      )}
    </div>
  );
}

function shown(data: Uint8Array, view: View): string {
  if (view === "hex") return hexDump(data);
  const text = textOf(data) ?? looseText(data);
  if (view === "text") return text;
  return prettyJson(text) ?? `(This is not JSON.)\n\n${text}`;
}

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { bestView, hexDump, looseText, prettyJson, textOf, visible, type View } from "../bytes.ts";
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
  const cut = data !== undefined && whole !== undefined && whole > data.length;
  const best = useMemo(() => (data === undefined ? "text" : bestView(data, { cut })), [data, cut]);
  const view = chosen ?? best;
  const long = data !== undefined && !all && data.length > short[view];
  const content = useMemo(() => {
    if (data === undefined) return "";
    return shown(
      long ? data.subarray(0, short[view]) : data,
      view,
      cut || (long && best === "json"),
    );
  }, [data, view, long, cut, best]);
  if (data === undefined) return <p class="quiet">No payload: the source says null.</p>;
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
        {data.length === 0 ? "(empty)" : content}
      </pre>
      {long && (
        <button type="button" class="button small" onClick={() => setAll(true)}>
          Show all {size(data.length)}
        </button>
      )}
    </div>
  );
}

/** `cut`: the beginning of what may be JSON. */
function shown(data: Uint8Array, view: View, cut: boolean): string {
  if (view === "hex") return hexDump(data);
  const text = textOf(data) ?? looseText(data);
  if (view === "text") return visible(text);
  const isBegun = cut && /^\s*[[{]/.test(text);
  return visible(prettyJson(text, { cut: isBegun }) ?? `(This is not JSON.)\n\n${text}`);
}

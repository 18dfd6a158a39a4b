/** The target of the first `Link` with `rel="next"` (RFC 8288), as it is written. `undefined`: there is none. */
export function nextLink(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = typeof header === "string" ? header : header.join(", ");
  let at = 0;
  for (;;) {
    const begin = text.indexOf("<", at);
    const end = begin < 0 ? -1 : text.indexOf(">", begin);
    if (end < 0) return undefined;
    const parameters = readParameters(text, end + 1);
    const relations = (parameters.relation ?? "").toLowerCase().split(/\s+/);
    if (relations.includes("next")) return text.slice(begin + 1, end);
    at = parameters.end;
  }
}

const word = /[^\s=;,"<]*/y;
const quoted = /"((?:\\.|[^"\\])*)"?/y;
const blank = /\s*/y;

/** Reads `; name=value` again and again; the first `rel` counts. */
function readParameters(text: string, start: number): { relation?: string; end: number } {
  let at = start;
  const read = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    at += match?.[0].length ?? 0;
    return match;
  };
  let relation: string | undefined;
  for (;;) {
    read(blank);
    if (text[at] !== ";") break;
    at++;
    read(blank);
    const name = read(word)?.[0].toLowerCase();
    read(blank);
    if (text[at] !== "=") continue;
    at++;
    read(blank);
    const value = text[at] === '"' ? read(quoted)?.[1] : read(word)?.[0];
    if (name === "rel") relation ??= value?.replaceAll(/\\(.)/g, "$1");
  }
  return { ...(relation === undefined ? {} : { relation }), end: at };
}

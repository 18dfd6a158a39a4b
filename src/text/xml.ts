/** An element of an XML document; names are without their namespace's prefix, attributes are left out. */
export type XmlElement = {
  readonly name: string;
  /** Its own text, entities resolved. */
  readonly text: string;
  readonly children: readonly XmlElement[];
};

type Open = { name: string; text: string; children: XmlElement[] };

/** No answer of a service is nested as deeply. */
const deepest = 64;
const token =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([^\s/>!?]+)((?:"[^"]*"|'[^']*'|[^"'>])*?)(\/?)>/y;
const named: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

/**
 * Reads the XML that services answer with; `undefined`: it is none. Declarations of types and entities are not read, so
 * that none can be expanded.
 */
export function parseXml(text: string): XmlElement | undefined {
  const root: Open = { name: "", text: "", children: [] };
  const open: Open[] = [root];
  let at = text.charCodeAt(0) === 0xfe_ff ? 1 : 0;
  while (at < text.length) {
    const current = open.at(-1) ?? root;
    const next = text.indexOf("<", at);
    current.text += unescape(text.slice(at, next === -1 ? text.length : next));
    if (next === -1) break;
    token.lastIndex = next;
    const match = token.exec(text);
    if (match === null) return undefined;
    at = token.lastIndex;
    const [, cdata, closing, written, , selfClosing] = match;
    if (cdata !== undefined) current.text += cdata;
    if (written === undefined) continue;
    const name = written.slice(written.indexOf(":") + 1);
    if (closing === "/") {
      if (open.length === 1 || current.name !== name) return undefined;
      open.pop();
      continue;
    }
    const element: Open = { name, text: "", children: [] };
    current.children.push(element);
    if (selfClosing === "/") continue;
    if (open.length > deepest) return undefined;
    open.push(element);
  }
  const [only, second] = root.children;
  return open.length === 1 && second === undefined && root.text.trim() === "" ? only : undefined;
}

/** The first element below by these names, one below the other. */
export function elementAt(
  element: XmlElement | undefined,
  ...path: readonly string[]
): XmlElement | undefined {
  let found = element;
  for (const name of path) found = found?.children.find((child) => child.name === name);
  return found;
}

/** The text of {@link elementAt}. */
export function textAt(
  element: XmlElement | undefined,
  ...path: readonly string[]
): string | undefined {
  return elementAt(element, ...path)?.text;
}

/** Text as XML takes it between tags and in attributes. Throws for characters that XML has not. */
export function escapeXml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the very characters that XML has not
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text))
    throw new RangeError("the text has a character that XML cannot carry");
  return text.replaceAll(/[<>&"'\r]/g, (one) => `&#${one.charCodeAt(0)};`);
}

function unescape(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));/gi,
    (whole: string, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return named[name] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
      return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
    },
  );
}

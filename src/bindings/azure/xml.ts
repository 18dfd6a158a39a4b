/** An element of the XML that services of Azure answer. */
export type XmlElement = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** All text within it but that of its children. */
  readonly text: string;
};

type Open = {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
};

const tag =
  /<(?:\?[^>]*\?|!--[\s\S]*?--|!\[CDATA\[([\s\S]*?)\]\]|(\/?)([^\s/>!?]+)([^>]*?)(\/?))>/g;

/** Reads a document. Throws where it is none; document types are not read. */
export function parseXml(document: string): XmlElement {
  const root: Open = { name: "", attributes: {}, children: [], text: "" };
  const open: Open[] = [root];
  let at = 0;
  for (const match of document.matchAll(tag)) {
    const [whole, cdata, isEnd, name, attributes = "", isEmpty] = match;
    const parent = open.at(-1) ?? root;
    parent.text += unescapeXml(document.slice(at, match.index));
    at = match.index + whole.length;
    if (cdata !== undefined) parent.text += cdata;
    if (name === undefined) continue;
    if (isEnd) {
      if (parent.name !== name || open.length === 1) throw new Error("the XML is not well-formed");
      open.pop();
      continue;
    }
    const element: Open = { name, attributes: attributesOf(attributes), children: [], text: "" };
    parent.children.push(element);
    if (!isEmpty) open.push(element);
  }
  const [top] = root.children;
  if (top === undefined || open.length !== 1) throw new Error("the XML is not well-formed");
  return top;
}

/** The first child of that name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

/** The text of the first child of that name; `undefined`: there is none. */
export function textOf(element: XmlElement | undefined, name: string): string | undefined {
  return childOf(element, name)?.text;
}

const entities: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&#34;",
  "'": "&#39;",
  "\t": "&#x9;",
  "\n": "&#xA;",
  "\r": "&#xD;",
};

/** Whether XML 1.0 has a way to write the text: most control characters have none. */
export function isXmlText(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  return text.isWellFormed() && !/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text);
}

/** Writes a text of {@link isXmlText}, so that nobody who reads it changes its ends of lines. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[<>&"'\t\n\r]/g, (character) => entities[character] ?? character);
}

const named = new Map([
  ["lt", "<"],
  ["gt", ">"],
  ["amp", "&"],
  ["quot", '"'],
  ["apos", "'"],
]);

function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (...match) => {
    const [all, hex, decimal, name] = match as [string, ...(string | undefined)[]];
    if (name !== undefined) return named.get(name) ?? all;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : all;
  });
}

function attributesOf(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = "", double, single = ""] of text.matchAll(
    /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g,
  ))
    attributes[name] = unescapeXml(double ?? single);
  return attributes;
}

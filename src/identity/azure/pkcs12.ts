/** The encrypted keys (RFC 5958) of a PKCS#12 (RFC 7292), as DER; those in encrypted bags are not found. */
export function shroudedKeys(pfx: Uint8Array): Uint8Array[] {
  // PFX: version, authSafe (a ContentInfo whose data are ContentInfos), and a checksum.
  const [, authSafe] = childrenOf(sequenceAt(pfx));
  if (authSafe === undefined) throw new Error("no PKCS#12");
  const keys: Uint8Array[] = [];
  for (const contentInfo of childrenOf(sequenceAt(dataOf(authSafe)))) {
    const [type] = childrenOf(contentInfo);
    // Data that is not encrypted, as keys' bags are: each has its own encryption.
    if (type === undefined || hex(type.content) !== dataType) continue;
    for (const bag of childrenOf(sequenceAt(dataOf(contentInfo)))) {
      const [kind, value] = childrenOf(bag);
      if (kind === undefined || value === undefined || hex(kind.content) !== shroudedKeyBag)
        continue;
      keys.push(value.content);
    }
  }
  return keys;
}

/** 1.2.840.113549.1.7.1 */
const dataType = "2a864886f70d010701";
/** 1.2.840.113549.1.12.10.1.2 */
const shroudedKeyBag = "2a864886f70d010c0a0102";
const sequence = 0x30;

type Element = { readonly tag: number; readonly content: Uint8Array };

function sequenceAt(bytes: Uint8Array): Element {
  const { element } = elementAt(bytes, 0);
  if (element.tag !== sequence) throw new Error("no PKCS#12");
  return element;
}

/** The octets of a ContentInfo of the type data: `[0]` with one octet string, perhaps in pieces. */
function dataOf(contentInfo: Element): Uint8Array {
  const [, wrapped] = childrenOf(contentInfo);
  const octets = wrapped === undefined ? undefined : childrenOf(wrapped)[0];
  if (octets === undefined) throw new Error("no PKCS#12");
  const isInPieces = (octets.tag & 0x20) !== 0;
  return isInPieces
    ? Buffer.concat(childrenOf(octets).map(({ content }) => content))
    : octets.content;
}

function childrenOf({ content }: Element): Element[] {
  const children: Element[] = [];
  for (let at = 0; at < content.length;) {
    const { element, end } = elementAt(content, at);
    children.push(element);
    at = end;
  }
  return children;
}

/** One element of DER with a definite length. */
function elementAt(bytes: Uint8Array, at: number): { element: Element; end: number } {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || first === 0x80) throw new Error("no PKCS#12");
  let length = first;
  let start = at + 2;
  if (first > 0x80) {
    length = 0;
    for (const end = start + (first & 0x7f); start < end; start++)
      length = length * 256 + (bytes[start] ?? Number.NaN);
  }
  const end = start + length;
  if (!(end <= bytes.length)) throw new Error("no PKCS#12");
  return { element: { tag, content: bytes.subarray(start, end) }, end };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a header can have this name. */
export function isHeaderName(name: string): boolean {
  return token.test(name);
}

/** How many bytes of response metadata go out as headers; clients refuse much more of them. */
const mostHeaderBytes = 8 * 1024;

/**
 * Response metadata as gRPC headers `metadata.<name>`, beside the message, which has it whole. What gRPC's
 * headers cannot carry, or strict clients would fail the call for, is left out.
 */
export function metadataHeaders(
  metadata: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = {};
  let bytes = 0;
  for (const name of Object.keys(metadata)) {
    const header = headerOf(name);
    if (header === undefined) continue;
    let text = metadata[name] ?? "";
    if (!printable.test(text)) {
      text = text.replaceAll(/[\r\n]/g, " ");
      if (!printable.test(text)) continue;
    }
    bytes += header.length + text.length;
    if (bytes > mostHeaderBytes) break;
    headers[header] = text;
  }
  return headers;
}

const printable = /^[ -~]*$/;
const headerNames = new Map<string, string>();

/** The header for a name of metadata; `undefined`: gRPC has none. */
function headerOf(name: string): string | undefined {
  const known = headerNames.get(name);
  if (known !== undefined) return known;
  const header = `metadata.${name.toLowerCase()}`;
  if (!isHeaderName(name) || header.endsWith("-bin")) return undefined;
  // Other systems can make names up without end, of any length.
  if (headerNames.size < 1000 && name.length < 100) headerNames.set(name, header);
  return header;
}

/** Text as a header value: line breaks become spaces, and other characters go out as raw UTF-8 (Node writes Latin-1). */
export function headerText(text: string): string {
  if (printable.test(text)) return text;
  let line = "";
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (code === 0x0a || code === 0x0d) line += " ";
    else if (code >= 0x20 && code !== 0x7f) line += character;
    else if (code === 0x09) line += character;
  }
  return Buffer.from(line, "utf8").toString("latin1");
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a header can have this name. */
export function isHeaderName(name: string): boolean {
  return token.test(name);
}

/** Response metadata as headers `metadata.<name>`; what no header can be named is left out. */
export function metadataHeaders(
  metadata: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (isHeaderName(name)) headers[`metadata.${name.toLowerCase()}`] = headerText(value);
  }
  return headers;
}

/** Text as a header value: line breaks become spaces, and other characters go out as raw UTF-8 (Node writes Latin-1). */
export function headerText(text: string): string {
  let line = "";
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (code === 0x0a || code === 0x0d) line += " ";
    else if (code >= 0x20 && code !== 0x7f) line += character;
    else if (code === 0x09) line += character;
  }
  return Buffer.from(line, "utf8").toString("latin1");
}

/** As a browser writes it: without a path, not even a slash. `null` stands for pages without an origin. */
export function isOrigin(text: string): boolean {
  if (text === "*" || text === "null") return true;
  return URL.parse(text)?.host !== "" && /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]+$/i.test(text);
}

/** The password in a URL such as `amqp://user:password@host`, as it is written there and as it is decoded; empty: there is none. */
export function passwordInUrl(text: string): string[] {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\s]*)@/i.exec(text.trim())?.[1] ?? "";
  const colon = authority.indexOf(":");
  const password = colon < 0 ? "" : authority.slice(colon + 1);
  return password === "" ? [] : [...new Set([password, decoded(password)])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

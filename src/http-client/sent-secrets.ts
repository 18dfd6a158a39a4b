/** What a request said that nobody else may read: what a server repeats of it is taken out of its words. */
export type SentSecrets = (text: string) => string;

/** Texts that are shorter would garble too much. */
const shortest = 4;

/** Takes the values of headers out of a server's words: whole, and without a scheme such as `Bearer`. */
export function sentSecrets(values: Iterable<string>): SentSecrets {
  const secrets = new Set<string>();
  for (const value of values) {
    for (const text of [value, value.replace(/^\S+\s+/, "")]) {
      for (const one of [text, encodeURIComponent(text.toWellFormed()), base64(text)]) {
        if (one.length >= shortest) secrets.add(one);
      }
    }
    const basic = /^Basic\s+(\S+)$/i.exec(value)?.[1];
    if (basic === undefined) continue;
    const [, user = "", password = ""] =
      /^([^:]*):(.*)$/s.exec(Buffer.from(basic, "base64").toString("utf8")) ?? [];
    for (const one of [`${user}:${password}`, password])
      if (one.length >= shortest) secrets.add(one);
  }
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((shown, secret) => shown.replaceAll(secret, "***"), text);
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

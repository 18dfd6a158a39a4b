/** What may stand in a statement that is no part of its own words: each is passed over whole. */
const tokens = [
  String.raw`'(?:[^'\\]|\\[\s\S]|'')*'`,
  String.raw`"(?:[^"\\]|\\[\s\S]|"")*"`,
  "`(?:[^`]|``)*`",
  String.raw`--(?=\s|$)[^\n]*|#[^\n]*`,
  String.raw`/\*[\s\S]*?(?:\*/|$)`,
  // An assignment, and a scope of MariaDB's.
  ":=|::",
  String.raw`(?<![\w$:]):(?<name>[a-zA-Z_]\w*)`,
].join("|");

/** Puts a `?` in the place of each `:name`. */
export function placeholders(sql: string): { text: string; names: string[] } {
  const names: string[] = [];
  let text = "";
  let from = 0;
  for (const match of sql.matchAll(new RegExp(tokens, "g"))) {
    const name = match.groups?.["name"];
    if (name === undefined) continue;
    names.push(name);
    text += `${sql.slice(from, match.index)}?`;
    from = match.index + match[0].length;
  }
  return { text: text + sql.slice(from), names };
}

/** Words that may leave the session in another database, which no reset undoes. */
const leaving = /\b(?:use|execute|prepare)\b(?!\s+(?:index|key)\b)/i;
const passedOver = /'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"\\]|\\[\s\S]|"")*"|`(?:[^`]|``)*`/g;

/** Whether the session may be in another database once the statement has run. */
export function mayLeaveDatabase(sql: string): boolean {
  return leaving.test(sql) && leaving.test(sql.replaceAll(passedOver, " '' "));
}

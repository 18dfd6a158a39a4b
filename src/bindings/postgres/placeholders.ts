/** What may stand in a statement that is no part of its own words: each is passed over whole. */
const tokens = [
  // Texts; one with escapes begins with E.
  String.raw`\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'`,
  String.raw`'(?:[^']|'')*'`,
  String.raw`"(?:[^"]|"")*"`,
  // A text between two of the same marks.
  String.raw`(?<![\w$])\$(?<mark>(?:[a-zA-Z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?\$\k<mark>\$`,
  String.raw`--[^\n]*`,
  String.raw`/\*`,
  // The server's operators that have an @ in them.
  String.raw`<@>?|\^@|@-@|@@@?|@[>?]`,
  String.raw`@(?<name>[a-zA-Z_][a-zA-Z0-9_]*)`,
].join("|");

/** Puts `$1`, `$2` … in the place of each `@name`. A name that occurs again keeps its number. */
export function placeholders(sql: string): { text: string; names: string[] } {
  const names: string[] = [];
  const pattern = new RegExp(tokens, "g");
  let text = "";
  let from = 0;
  for (let match = pattern.exec(sql); match !== null; match = pattern.exec(sql)) {
    if (match[0] === "/*") {
      pattern.lastIndex = endOfComment(sql, pattern.lastIndex);
      continue;
    }
    const name = match.groups?.["name"];
    if (name === undefined) continue;
    if (!names.includes(name)) names.push(name);
    text += `${sql.slice(from, match.index)}$${names.indexOf(name) + 1}`;
    from = pattern.lastIndex;
  }
  return { text: text + sql.slice(from), names };
}

/** Comments may be in comments. */
function endOfComment(sql: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  for (let depth = 1; depth > 0;) {
    const mark = marks.exec(sql);
    if (mark === null) return sql.length;
    depth += mark[0] === "/*" ? 1 : -1;
  }
  return marks.lastIndex;
}

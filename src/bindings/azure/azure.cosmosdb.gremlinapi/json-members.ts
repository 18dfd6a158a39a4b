/**
 * The members of an object of JSON, each as it was written, so that no digit of a number is lost. `at`: where the object
 * begins. Throws where it is none; what is deeper inside is not looked at.
 */
export function membersOf(text: string, at = 0): Map<string, string> {
  const members = new Map<string, string>();
  let from = afterSpace(text, at);
  if (text[from] !== "{") throw noObject();
  from = afterSpace(text, from + 1);
  if (text[from] === "}") return members;
  while (text[from] === '"') {
    const nameEnd = endOfString(text, from);
    const colon = afterSpace(text, nameEnd);
    if (text[colon] !== ":") break;
    const start = afterSpace(text, colon + 1);
    const end = endOfValue(text, start);
    members.set(JSON.parse(text.slice(from, nameEnd)) as string, text.slice(start, end));
    from = afterSpace(text, end);
    if (text[from] === "}") return members;
    if (text[from] !== ",") break;
    from = afterSpace(text, from + 1);
  }
  throw noObject();
}

/** What is between the brackets of an array that is written so; `undefined`: it is none. */
export function insideArray(text: string): string | undefined {
  return text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1).trim() : undefined;
}

/** What is below it is a space in JSON, too, or no JSON, which is read later. */
const space = 0x20;

function afterSpace(text: string, at: number): number {
  let next = at;
  while (text.charCodeAt(next) <= space) next++;
  return next;
}

function endOfString(text: string, start: number): number {
  for (
    let quote = text.indexOf('"', start + 1);
    quote !== -1;
    quote = text.indexOf('"', quote + 1)
  ) {
    let before = quote;
    while (text[before - 1] === "\\") before--;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  throw noObject();
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return endOfString(text, start);
  if (first !== "{" && first !== "[") {
    const after = /[,}\]\s]/g;
    after.lastIndex = start;
    const end = after.exec(text)?.index ?? text.length;
    if (end === start) throw noObject();
    return end;
  }
  const marks = /["{}[\]]/g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] === '"') marks.lastIndex = endOfString(text, mark.index);
    else if (mark[0] === "{" || mark[0] === "[") depth++;
    else if (--depth === 0) return mark.index + 1;
  }
  throw noObject();
}

function noObject(): SyntaxError {
  return new SyntaxError("it is no object of JSON");
}

/** The elements of an array in the server's text, those of all dimensions one after another, as Dapr's driver gives them. */
export function arrayElements(text: string, delimiter: string): (string | null)[] {
  const elements: (string | null)[] = [];
  // Bounds that do not begin at 1 come first.
  let at = text.startsWith("[") ? text.indexOf("=") + 1 : 0;
  while (at < text.length) {
    const character = text[at];
    if (character === "{" || character === "}" || character === delimiter) {
      at++;
    } else if (character === '"') {
      const quoted = /"(?:[^"\\]|\\[\s\S])*"/y;
      quoted.lastIndex = at;
      const [whole = '""'] = quoted.exec(text) ?? [];
      elements.push(whole.slice(1, -1).replaceAll(/\\([\s\S])/g, "$1"));
      at += whole.length;
    } else {
      let end = at;
      while (end < text.length && text[end] !== delimiter && text[end] !== "}") end++;
      const word = text.slice(at, end);
      elements.push(word === "NULL" ? null : word);
      at = end;
    }
  }
  return elements;
}

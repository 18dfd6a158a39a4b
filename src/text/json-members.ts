/**
 * The members of a JSON object by their names, each with its own text, so that no number is rounded. Of a name that
 * is repeated the last. Throws where the text is no JSON; `undefined`: it is no object.
 */
export function jsonMembers(json: string): ReadonlyMap<string, string> | undefined {
  const value: unknown = JSON.parse(json);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const members = new Map<string, string>();
  // The text is well-formed, so that quotes and brackets tell where a member ends.
  let at = json.indexOf("{") + 1;
  for (;;) {
    const open = json.indexOf('"', at);
    if (open === -1) return members;
    const close = endOfString(json, open);
    const name = JSON.parse(json.slice(open, close)) as string;
    const begin = json.indexOf(":", close) + 1;
    at = endOfValue(json, begin);
    members.set(name, json.slice(begin, at).trim());
  }
}

/** What a JSON text without surrounding space is, by its first character. */
export function jsonKind(json: string): "object" | "array" | "string" | "number" | "bool" | "null" {
  const first = json[0];
  if (first === "{") return "object";
  if (first === "[") return "array";
  if (first === '"') return "string";
  if (first === "n") return "null";
  return first === "t" || first === "f" ? "bool" : "number";
}

/** Behind the closing quote of the string that begins there. */
function endOfString(json: string, open: number): number {
  for (let at = open + 1; ; at++) {
    const sign = json[at];
    if (sign === "\\") at++;
    else if (sign === '"') return at + 1;
  }
}

/** Where the comma or bracket is that ends the value. */
function endOfValue(json: string, begin: number): number {
  let depth = 0;
  for (let at = begin; ; at++) {
    const sign = json[at];
    if (sign === '"') at = endOfString(json, at) - 1;
    else if (sign === "{" || sign === "[") depth++;
    else if (sign === "}" || sign === "]") {
      if (depth === 0) return at;
      depth--;
    } else if (sign === "," && depth === 0) return at;
  }
}

/** The texts of a JSON array's elements. Throws where the text is no JSON; one that is no array has none. */
export function jsonElements(json: string): readonly string[] {
  if (!Array.isArray(JSON.parse(json))) return [];
  const elements: string[] = [];
  for (let at = json.indexOf("[") + 1; ;) {
    const end = endOfValue(json, at);
    const element = json.slice(at, end).trim();
    if (element !== "") elements.push(element);
    if (json[end] === "]") return elements;
    at = end + 1;
  }
}

import { BindingError } from "../../errors.ts";

/** The words of a connection string by name, as libpq names them. A URL's parts have the same names. */
export function parseConnectionString(text: string): Map<string, string> {
  return /^postgres(ql)?:\/\//.test(text) ? urlWords(text) : words(text);
}

function urlWords(text: string): Map<string, string> {
  const url = URL.parse(text);
  if (url === null) {
    throw wrong(
      "it is no URL: characters such as @, / and # must be percent-encoded in user and password, and several hosts are not supported",
    );
  }
  const found = new Map<string, string>();
  const add = (name: string, value: string): void => {
    if (value !== "") found.set(name, decoded(value));
  };
  add("host", url.hostname.replace(/^\[(.*)\]$/, "$1"));
  add("port", url.port);
  add("user", url.username);
  add("password", url.password);
  add("dbname", url.pathname.slice(1));
  for (const [name, value] of url.searchParams) found.set(aliased(name), value);
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("a % in it is not followed by two hexadecimal digits");
  }
}

/** `name=value name='value with \' and spaces'`. */
function words(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const word =
    /\s*([a-zA-Z_]+)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'|((?:[^\s\\']|\\[\s\S])*))(?=\s|$)/y;
  const end = text.trimEnd().length;
  while (word.lastIndex < end) {
    const match = word.exec(text);
    if (match === null) throw wrong("it is neither a URL nor words such as host=localhost");
    const [, name = "", quoted, plain = ""] = match;
    found.set(aliased(name), (quoted ?? plain).replaceAll(/\\([\s\S])/g, "$1"));
  }
  return found;
}

function aliased(name: string): string {
  return name === "database" ? "dbname" : name;
}

function wrong(why: string): BindingError {
  return new BindingError("invalid_argument", `connectionString cannot be read: ${why}`);
}

import { BindingError } from "../errors.ts";

/** Where a request goes. The path is kept as it was written, `..` and all, for the server to judge. */
export type Address = {
  /** Scheme, host and port. */
  readonly origin: string;
  /** The host without port, in lower case. */
  readonly hostname: string;
  /** Path and query, ready for the request line. */
  readonly path: string;
  /** `Basic …`, when the URL names a user. */
  readonly authorization: string | undefined;
};

/** Reads an absolute http or https URL. Throws a `BindingError` for any other text. */
export function parseAddress(url: string): Address {
  // oxlint-disable-next-line no-control-regex -- the very characters that are refused
  if (/[\x00-\x1f\x7f]/.test(url)) throw wrong(url, "it has a control character");
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(\?[^#]*)?/i.exec(url);
  if (!match) throw wrong(url, "it must begin with http:// or https://");
  const [, scheme = "", authority = "", path = "", query = ""] = match;
  if (!/^https?$/i.test(scheme)) throw wrong(url, `unsupported protocol scheme "${scheme}"`);
  const [escaped] = /%(?![0-9a-f]{2}).{0,2}/i.exec(path) ?? [];
  if (escaped !== undefined) {
    const why = `invalid URL escape ${JSON.stringify(escaped)}`;
    throw new BindingError("invalid_argument", `parse ${JSON.stringify(shownOf(url))}: ${why}`);
  }
  let parsed: URL;
  try {
    parsed = new URL(`${scheme}://${authority}`);
  } catch {
    throw wrong(url, "the host is none");
  }
  if (parsed.hostname === "") throw wrong(url, "no Host in request URL");
  const user = decodeURIComponent(parsed.username);
  const password = decodeURIComponent(parsed.password);
  return {
    origin: parsed.origin,
    hostname: parsed.hostname,
    path: escape(`${path || "/"}${query}`),
    authorization:
      user === "" && password === ""
        ? undefined
        : `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
  };
}

/** Origins as metadata name them: `allowOrigins`. Throws a `BindingError` for what is none. */
export function parseOrigins(texts: readonly string[] | undefined): ReadonlySet<string> {
  return new Set(
    texts?.map((text) => {
      const { origin, path, authorization } = parseAddress(text);
      if (path === "/" && authorization === undefined) return origin;
      throw new BindingError(
        "invalid_argument",
        "allowOrigins: an origin is SCHEME://HOST:PORT alone",
      );
    }),
  );
}

/** Puts a request's path behind the component's URL, one slash between them. */
export function joinPath(url: string, path: string): string {
  return `${url.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`;
}

/** The address of a path of a service whose base URL a field has. Throws a `BindingError` for what is no base. */
export function serviceAddress(field: string, base: string, path: string): Address {
  if (/[?#]/.test(base))
    throw new BindingError("invalid_argument", `${field} must have no query and no fragment`);
  return parseAddress(joinPath(base, path));
}

/** The address for a message: without user, password and query, where secrets are. */
export function describeAddress({ origin, path }: Address): string {
  return `${origin}${path.replace(/\?.*$/, "")}`;
}

/** Resolves a redirect's `Location`, which may be relative. */
export function resolveLocation(from: Address, location: string): Address {
  if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return parseAddress(location);
  if (location.startsWith("//")) return parseAddress(`${from.origin.split("//")[0]}${location}`);
  const base = from.path.replace(/[?#].*$/, "");
  if (location.startsWith("/")) return { ...from, path: escape(location.replace(/#.*$/, "")) };
  if (location.startsWith("?"))
    return { ...from, path: escape(base + location.replace(/#.*$/, "")) };
  const resolved = new URL(location, `${from.origin}${base}`);
  return { ...from, path: escape(resolved.pathname + resolved.search) };
}

function escape(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]+|["<>\\^`{|}]/gu, (text) =>
    encodeURIComponent(text.toWellFormed()),
  );
}

function wrong(url: string, reason: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `the URL ${JSON.stringify(shownOf(url))} cannot be used: ${reason}`,
  );
}

/** Neither a query nor a user and password are shown. */
function shownOf(url: string): string {
  return url.replace(/\?.*$/s, "").replace(/\/\/[^/]*@/, "//");
}

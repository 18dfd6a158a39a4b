import { isIPv4 } from "node:net";
import type { RequestHead } from "../grpc/request-head.ts";

/** Who may call beyond programs of this machine and those that know the token. */
export type CallerRules = {
  /** The origins whose pages may call, such as `https://shop.example`; `*`: those of all. */
  readonly allowedOrigins: readonly string[];
  /** The names beside `localhost` and its addresses that a request on a loopback address may be for; `*`: any. */
  readonly allowedHosts: readonly string[];
  /** What a refusal tells to say. Default: the flags of `cufflink serve`. */
  readonly settings?: {
    /** `undefined`: there is nothing that lets another origin in. */
    readonly origins: string | undefined;
    readonly hosts: string;
  };
};

const flags = { origins: "--allow-origin", hosts: "--allowed-hosts" };

/** What is known of a request before anything of it is done. */
export type Incoming = RequestHead & {
  readonly method: string;
  /** The target as it was sent: a path, or a whole URL. */
  readonly target: string;
  readonly isHttp2: boolean;
  /** The address at which it came in; `undefined`: by a Unix socket. */
  readonly localAddress: string | undefined;
};

/** What becomes of it; `undefined`: it passes. */
export type Verdict =
  | { readonly kind: "refused"; readonly message: string }
  /** It passes, and the answer has these headers beside its own. */
  | { readonly kind: "allowed"; readonly headers: Readonly<Record<string, string>> }
  /** A browser's question before a request of another origin; the answer is these headers. */
  | { readonly kind: "preflight"; readonly headers: Readonly<Record<string, string>> };

/** Decides about a request, the same for every protocol and port. */
export type CallerCheck = (request: Incoming) => Verdict | undefined;

/**
 * Keeps web pages out. A page of another origin is known by what its browser says (`Sec-Fetch-Site`, `Origin`). One
 * that made its own host name lead to this machine is known by that name: on a loopback address a request is for
 * `localhost`, an address of the loopback, or an allowed host. A program sends neither header, and gRPC over HTTP/2,
 * which no page can speak, may be for any name.
 */
export function callerCheck({
  allowedOrigins,
  allowedHosts,
  settings = flags,
}: CallerRules): CallerCheck {
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  const hosts = new Set(allowedHosts.map((host) => nameOf(host) ?? host.toLowerCase()));
  const anyOrigin = origins.has("*");
  const isKnown = remembered((host) => {
    const name = nameOf(host);
    return name !== undefined && (isOfLoopback(name) || hosts.has(name));
  });
  const isWrongHost = (host: string | undefined): host is string =>
    host !== undefined && host !== "" && !isKnown(host);

  return (request) => {
    const { isHttp2, localAddress } = request;
    const isProgram = isHttp2 && isGrpc(request.get("content-type"));
    if (!isProgram && !hosts.has("*") && isLoopbackAddress(localAddress)) {
      const wrong = hostsOf(request).find(isWrongHost);
      if (wrong !== undefined) return refused(hostMessage(wrong, settings.hosts));
    }
    const origin = request.get("origin");
    const site = request.get("sec-fetch-site");
    if (origin === undefined && site === undefined) return undefined;
    if (anyOrigin || (origin !== undefined && origins.has(origin.toLowerCase()))) {
      return allowed(request, anyOrigin ? "*" : (origin ?? ""));
    }
    // What the browser itself says goes before what can be told from names, which a proxy may have changed.
    const isOwn =
      site === undefined
        ? isSameHost(origin ?? "", hostsOf(request)[0])
        : site === "same-origin" || site === "none";
    return isOwn ? undefined : refused(originMessage(origin, settings.origins));
  };
}

type Fields = { readonly fields: readonly { readonly name: string; readonly value: string }[] };

/** A call of gRPC over HTTP/2, which no page can make, with nothing of what a browser would say: it needs no check. */
export function isGrpcOfProgram({ fields }: Fields): boolean {
  let isProgram = false;
  for (const { name, value } of fields) {
    if (name === "origin" || name === "sec-fetch-site") return false;
    if (name !== "content-type") continue;
    if (value !== "application/grpc" && !isGrpc(value)) return false;
    isProgram = true;
  }
  return isProgram;
}

/** Whether a `content-type` is that of gRPC, which over HTTP/2 no page can speak; not that of gRPC-Web. */
export function isGrpc(type: string | undefined): boolean {
  return type !== undefined && /^application\/grpc(\+|;|$)/i.test(type);
}

function refused(message: string): Verdict {
  return { kind: "refused", message };
}

function hostMessage(host: string, setting: string): string {
  const shown = shorten(host);
  return `a request for the host ${shown} is refused on a loopback address, as it may be a web page's; if that is a name of this machine, say ${setting} ${nameOf(host) ?? shown}`;
}

function originMessage(origin: string | undefined, setting: string | undefined): string {
  const page = origin === undefined ? "another site" : shorten(origin);
  const value = origin === undefined ? "ORIGIN" : shorten(origin);
  return setting === undefined
    ? `a web page of ${page} may not call`
    : `a web page of ${page} may not call; if it is meant to, say ${setting} ${value}`;
}

/** A stranger's text in a message or the log. */
function shorten(text: string): string {
  const plain = text.replaceAll(/[^\x21-\x7e]/g, "?");
  return plain.length > 100 ? `${plain.slice(0, 100)}…` : plain;
}

/** The hosts that a request names: of its target, where that is a whole URL, and of its headers. */
function hostsOf(request: Incoming): (string | undefined)[] {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(request.target)?.[1];
  return [absolute, request.get(":authority"), request.get("host")].filter(
    (host) => host !== undefined,
  );
}

/** The name or address in `host:port`, as a browser would write it; `undefined`: it is none. */
function nameOf(host: string): string | undefined {
  if (!/^[\x21-\x7e]*$/.test(host) || /[/\\?#@]/.test(host)) return undefined;
  // An IPv6 address may come without its brackets.
  const url = URL.parse(`http://${/^[0-9a-f]*:[0-9a-f:.]*:/i.test(host) ? `[${host}]` : host}`);
  return url?.hostname.replace(/\.$/, "");
}

/** The unspecified addresses lead here too, and no page can make a name of them. */
function isOfLoopback(name: string): boolean {
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    (isIPv4(name) && name.startsWith("127.")) ||
    ["[::1]", "0.0.0.0", "[::]"].includes(name) ||
    // 127.0.0.0/8 as IPv6 writes it.
    /^\[::ffff:7f[0-9a-f]{2}:/.test(name)
  );
}

export function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address);
}

/** Whether a page of this origin was served where its request goes. */
function isSameHost(origin: string, host: string | undefined): boolean {
  const page = URL.parse(origin);
  if (page === null || page.host === "" || host === undefined) return false;
  return page.host === URL.parse(`${page.protocol}//${host}`)?.host;
}

/** What a page may see of an answer: browsers take `*` for all but these in some versions. */
const exposed = [
  ...["*", "grpc-status", "grpc-message", "grpc-status-details-bin"],
  ...["traceparent", "tracestate", "retry-after", "cufflink-reason"],
].join(", ");

function allowed(request: Incoming, origin: string): Verdict {
  const common = { "access-control-allow-origin": origin, vary: "Origin" };
  if (request.method !== "OPTIONS" || request.get("access-control-request-method") === undefined)
    return {
      kind: "allowed",
      headers: { ...common, "access-control-expose-headers": exposed },
    };
  const wanted = request.get("access-control-request-headers");
  return {
    kind: "preflight",
    headers: {
      ...common,
      "access-control-allow-methods": "GET, POST, PUT, OPTIONS",
      ...(wanted === undefined ? {} : { "access-control-allow-headers": wanted }),
      ...(request.get("access-control-request-private-network") === "true"
        ? { "access-control-allow-private-network": "true" }
        : {}),
      "access-control-max-age": "7200",
    },
  };
}

/** The same answer for the same text, without working it out each time. */
function remembered(decide: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>();
  return (text) => {
    let answer = known.get(text);
    if (answer === undefined) {
      answer = decide(text);
      // Strangers may send as many as they like.
      if (known.size >= 100) known.clear();
      known.set(text, answer);
    }
    return answer;
  };
}

import { createHash, createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export const accessKeyId = "LTAI5tStandIn";
export const secret = "secret + of / the key";

type Parts = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
};

/** Version 1 of Log Service's signature, by its reference. */
function signed({ method, url, headers }: Parts, key: string): string {
  const { pathname, searchParams } = new URL(url, "http://sls");
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-log-") || name.startsWith("x-acs-"))
    .map(([name, value]) => `${name}:${String(value).trim()}`)
    .toSorted()
    .join("\n");
  const search = [...searchParams].map(([name, value]) => `${name}=${value}`).toSorted();
  const resource = search.length === 0 ? pathname : `${pathname}?${search.join("&")}`;
  const head = `${method}\n${String(headers["content-md5"] ?? "")}\n${headers["content-type"] ?? ""}`;
  const text = `${head}\n${headers.date ?? ""}\n${own}\n${resource}`;
  return createHmac("sha1", Buffer.from(key)).update(text).digest("base64");
}

/** The headers of a request of a client's that is not the binding's. */
export function headersFor(
  method: string,
  url: string,
  { body, type = "application/json" }: { body?: Buffer; type?: string } = {},
): Record<string, string> {
  const headers: Record<string, string> = {
    "x-log-apiversion": "0.6.0",
    "x-log-signaturemethod": "hmac-sha1",
    "x-log-bodyrawsize": String(body?.length ?? 0),
    date: new Date().toUTCString(),
  };
  if (body !== undefined) {
    headers["content-type"] = type;
    headers["content-md5"] = createHash("md5").update(body).digest("hex").toUpperCase();
  }
  const signature = signed({ method, url, headers }, secret);
  return { ...headers, authorization: `LOG ${accessKeyId}:${signature}` };
}

/** What is wrong with a request's head, by the code of the reference; `undefined`: nothing. */
export function refusalOf(
  parts: Parts,
  body: Buffer,
): { status: number; code: string } | undefined {
  const { headers } = parts;
  const of = (name: string): string => String(headers[name] ?? "");
  if (of("x-log-apiversion") !== "0.6.0") return { status: 400, code: "InvalidAPIVersion" };
  if (of("x-log-signaturemethod") !== "hmac-sha1")
    return { status: 400, code: "InvalidSignatureMethod" };
  if (!/^\d+$/.test(of("x-log-bodyrawsize"))) return { status: 400, code: "MissingBodyRawSize" };
  if (Math.abs(Date.now() - Date.parse(of("date"))) > 900_000 || of("date") === "")
    return { status: 400, code: "RequestTimeExpired" };
  if (body.length > 0) {
    if (of("content-type") === "") return { status: 400, code: "MissingContentType" };
    const md5 = createHash("md5").update(body).digest("hex");
    if (of("content-md5").toLowerCase() !== md5) return { status: 400, code: "InvalidContentMD5" };
  }
  const match = /^(?:LOG|SLS) ([^:]*):(.*)$/.exec(of("authorization"));
  if (match?.[1] !== accessKeyId) return { status: 401, code: "Unauthorized" };
  if (match[2] !== signed(parts, secret)) return { status: 401, code: "SignatureNotMatch" };
  return undefined;
}

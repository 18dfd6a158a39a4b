import { createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { startLoopback } from "../http/loopback-server.ts";

export const accessKeyId = "UDSIAMSTUBTEST000001";
export const secret = "the secret + of / the key";
export const bucket = "shop-orders";

export type Vendor = {
  readonly scheme: string;
  readonly requestId: string;
  readonly version: string;
};

export const oss: Vendor = {
  ...{ scheme: "OSS", requestId: "x-oss-request-id", version: "x-oss-version-id" },
};
export const obs: Vendor = {
  ...{ scheme: "OBS", requestId: "x-obs-request-id", version: "x-obs-version-id" },
};

const escapeXml = (text: string): string =>
  text.replaceAll(/[<>&"'\r\n\0]/g, (one) => `&#${one.charCodeAt(0)};`);

/**
 * A stand-in for a bucket of Alibaba's OSS or Huawei's OBS, written from the vendors' references: objects, the listing and
 * the errors in XML. It checks each signature by itself, and that the date is of these fifteen minutes.
 */
export async function startObjects(vendor: Vendor) {
  const objects = new Map<string, Buffer>();
  const state = { failure: undefined as { status: number; code: string } | undefined };
  const server = await startLoopback(({ method = "", url = "", headers, body }, response) => {
    const [path = "", query = ""] = url.split("?", 2);
    const shared = { [vendor.requestId]: "request 1", "content-type": "application/xml" };
    const refuse = (status: number, code: string): void => {
      const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>words of the vendor</Message><RequestId>request 1</RequestId></Error>`;
      response.writeHead(status, shared).end(xml);
    };
    const [, named = ""] = path.split("/");
    const escaped = path.slice(named.length + 2);
    const key = decodeURIComponent(escaped);
    if (!isSigned(vendor, { method, url, headers })) return refuse(403, "SignatureDoesNotMatch");
    if (Math.abs(Date.now() - Date.parse(headers.date ?? "")) > 900_000)
      return refuse(403, "RequestTimeTooSkewed");
    if (!path.startsWith(`/${bucket}/`)) return refuse(404, "NoSuchBucket");
    if (state.failure !== undefined) return refuse(state.failure.status, state.failure.code);
    if (key === "" && method === "GET") {
      response.writeHead(200, shared).end(listing(objects, new URLSearchParams(query)));
      return;
    }
    const found = objects.get(key);
    switch (method) {
      case "PUT":
        objects.set(key, body);
        response.writeHead(200, { ...shared, [vendor.version]: "G001" }).end();
        return;
      case "GET":
        if (found === undefined) return refuse(404, "NoSuchKey");
        response.writeHead(200, { ...shared, "content-type": "text/plain" }).end(found);
        return;
      case "DELETE":
        objects.delete(key);
        response.writeHead(204, shared).end();
        return;
      default:
        refuse(405, "MethodNotAllowed");
    }
  });
  return { ...server, objects, state };
}

/** Whether a request has the signature that the vendor's reference asks for. */
export function isSigned(
  vendor: Vendor,
  { method = "", url = "", headers }: Pick<IncomingMessage, "method" | "url" | "headers">,
): boolean {
  const [path = ""] = url.split("?", 1);
  const [, named = ""] = path.split("/");
  const escaped = path.slice(named.length + 2);
  const signed = vendor.scheme === "OBS" ? escaped : decodeURIComponent(escaped);
  const text = `${method}\n${String(headers["content-md5"] ?? "")}\n${headers["content-type"] ?? ""}\n${headers.date ?? ""}\n/${named}/${signed}`;
  const signature = createHmac("sha1", secret).update(text).digest("base64");
  return headers.authorization === `${vendor.scheme} ${accessKeyId}:${signature}`;
}

function listing(objects: ReadonlyMap<string, Buffer>, query: URLSearchParams): string {
  const of = (name: string): string => query.get(name) ?? "";
  const prefix = of("prefix");
  const delimiter = of("delimiter");
  const most = Number(of("max-keys"));
  const keys = [...objects.keys()]
    .filter((key) => key.startsWith(prefix) && key > of("marker"))
    .toSorted();
  const folders = new Set<string>();
  const files = keys.filter((key) => {
    const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (at !== -1) folders.add(key.slice(0, at + delimiter.length));
    return at === -1;
  });
  const shown = files.slice(0, most);
  const contents = shown.map(
    (key) =>
      `<Contents><Key>${escapeXml(key)}</Key><LastModified>2026-01-31T10:00:00.000Z</LastModified><ETag>"e"</ETag><Size>${objects.get(key)?.length}</Size><Owner><ID>owner</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>`,
  );
  const prefixes = [...folders].map(
    (one) => `<CommonPrefixes><Prefix>${escapeXml(one)}</Prefix></CommonPrefixes>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://obs.myhwclouds.com/doc/2015-06-30/"><Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix><Marker>${escapeXml(of("marker"))}</Marker><MaxKeys>${most}</MaxKeys><IsTruncated>${files.length > most}</IsTruncated>${contents.join("")}${prefixes.join("")}</ListBucketResult>`;
}

import { createHash } from "node:crypto";
import { escaped } from "../object-paths.ts";

export type UrlToSign = {
  readonly method: "GET" | "PUT";
  /** `https://storage.googleapis.com`. */
  readonly origin: string;
  /** The origin's host, with a port that is not the scheme's own. */
  readonly host: string;
  readonly bucket: string;
  readonly key: string;
  readonly email: string;
  readonly now: Date;
  /** Seconds. */
  readonly expires: number;
};

/** What is to be signed, and what the signature goes behind: a URL by Google's signing process, version 4. */
export function urlToSign(wanted: UrlToSign): { text: string; canonical: string; url: string } {
  const { method, origin, host, bucket, key, email, now, expires } = wanted;
  const time = now.toISOString().replaceAll(/[:-]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/auto/storage/goog4_request`;
  const query = Object.entries({
    "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
    "X-Goog-Credential": `${email}/${scope}`,
    "X-Goog-Date": time,
    "X-Goog-Expires": String(expires),
    "X-Goog-SignedHeaders": "host",
  })
    .map(([name, value]) => `${name}=${escaped(value)}`)
    .join("&");
  const path = `/${bucket}/${key.split("/").map(escaped).join("/")}`;
  const canonical = [method, path, query, `host:${host}`, "", "host", "UNSIGNED-PAYLOAD"].join(
    "\n",
  );
  const digest = createHash("sha256").update(canonical).digest("hex");
  const text = ["GOOG4-RSA-SHA256", time, scope, digest].join("\n");
  return { text, canonical, url: `${origin}${path}?${query}&X-Goog-Signature=` };
}

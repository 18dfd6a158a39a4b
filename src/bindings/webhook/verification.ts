import { createHash, createHmac } from "node:crypto";
import { BindingError } from "../../errors.ts";
import { same, single, type Verify } from "../../http-receiver/verify.ts";
import type { WebhookMetadata } from "./fields.ts";

/** The check that a component asks for. Throws when it lacks what the check needs. */
export function verifierOf(metadata: WebhookMetadata): Verify {
  const { verification } = metadata;
  if (verification === "none") return () => undefined;
  const secrets = [metadata.secret, metadata.secondarySecret].filter((one) => one !== undefined);
  const [first = ""] = secrets;
  if (first === "") throw lacking("secret", verification);
  const good = secrets.filter((secret) => secret !== "");
  switch (verification) {
    case "github":
      return signatureOfBody(
        { header: "x-hub-signature-256", algorithm: "sha256", encoding: "hex", prefix: "sha256=" },
        good,
      );
    case "hmac":
      return signatureOfBody(
        {
          header: metadata.signatureHeader.toLowerCase(),
          algorithm: metadata.signatureAlgorithm,
          encoding: metadata.signatureEncoding,
          prefix: metadata.signaturePrefix,
        },
        good,
      );
    case "stripe":
      return stripe(good, metadata.timestampTolerance);
    default:
      if (!metadata.publicUrl) throw lacking("publicUrl", verification);
      return twilio(good, metadata.publicUrl);
  }
}

type BodySignature = {
  readonly header: string;
  readonly algorithm: string;
  readonly encoding: "hex" | "base64";
  readonly prefix: string;
};

function signatureOfBody(
  { header, algorithm, encoding, prefix }: BodySignature,
  secrets: readonly string[],
): Verify {
  return ({ headers, body }) => {
    const given = single(headers[header]);
    if (given === undefined) return `it has no header ${header}`;
    if (!given.startsWith(prefix)) return `its header ${header} does not begin with ${prefix}`;
    const signature = Buffer.from(given.slice(prefix.length).trim(), encoding);
    return secrets.some((secret) => same(signature, hmac(algorithm, secret, body)))
      ? undefined
      : "its signature is wrong";
  };
}

/** `Stripe-Signature: t=SECONDS,v1=HEX,…`: each `v1` is an HMAC of the time, a full stop and the body. */
function stripe(secrets: readonly string[], tolerance: number): Verify {
  return ({ headers, body }) => {
    const given = single(headers["stripe-signature"]);
    if (given === undefined) return "it has no header stripe-signature";
    const parts = given.split(",").map((part) => part.trim().split("=", 2));
    const time = parts.find(([name]) => name === "t")?.[1] ?? "";
    if (!/^\d{1,15}$/.test(time)) return "its header stripe-signature has no time";
    const signatures = parts
      .filter(([name]) => name === "v1")
      .map(([, hex = ""]) => Buffer.from(hex, "hex"));
    const signed = [Buffer.from(`${time}.`), body];
    const expected = secrets.map((secret) => hmac("sha256", secret, ...signed));
    if (!signatures.some((one) => expected.some((other) => same(one, other)))) {
      return "its signature is wrong";
    }
    return Math.abs(Date.now() - Number(time) * 1000) > tolerance
      ? "its signature is too old, or a clock is wrong"
      : undefined;
  };
}

/**
 * `X-Twilio-Signature`: an HMAC of the URL and, of a form, its parameters sorted by name; other bodies
 * are vouched for by their hash in the query.
 */
function twilio(secrets: readonly string[], publicUrl: string): Verify {
  const [base = ""] = publicUrl.split(/[?#]/, 1);
  const bases = withAndWithoutPort(base);
  return ({ headers, query, body }) => {
    const given = single(headers["x-twilio-signature"]);
    if (given === undefined) return "it has no header x-twilio-signature";
    const bodyHash = new URLSearchParams(query).get("bodySHA256");
    let form = "";
    if (isForm(headers["content-type"])) form = sortedForm(body);
    else if (bodyHash !== null) {
      const hash = createHash("sha256").update(body).digest();
      if (!same(Buffer.from(bodyHash, "hex"), hash)) return "its body is not the signed one";
    } else if (body.length > 0) return "its body is not signed";
    const signature = Buffer.from(given, "base64");
    const suffix = query === "" ? form : `?${query}${form}`;
    const right = bases.some((url) =>
      secrets.some((secret) => same(signature, hmac("sha1", secret, Buffer.from(url + suffix)))),
    );
    return right ? undefined : "its signature is wrong; is publicUrl what is written at Twilio?";
  };
}

/** Twilio signs some URLs with the standard port and some without, whatever was written. */
function withAndWithoutPort(url: string): string[] {
  const match = /^(https?):\/\/([^/]*?)(:\d+)?(\/.*)?$/i.exec(url);
  if (match === null) return [url];
  const [, scheme = "", host = "", port, path = ""] = match;
  const standard = scheme.toLowerCase() === "https" ? ":443" : ":80";
  return [url, `${scheme}://${host}${port === undefined ? standard : ""}${path}`];
}

function sortedForm(body: Uint8Array): string {
  const values = new Map<string, Set<string>>();
  for (const [name, value] of new URLSearchParams(Buffer.from(body).toString("utf8"))) {
    const before = values.get(name);
    if (before === undefined) values.set(name, new Set([value]));
    else before.add(value);
  }
  return [...values.keys()]
    .toSorted(byCodeUnit)
    .map((name) =>
      [...(values.get(name) ?? [])]
        .toSorted(byCodeUnit)
        .map((value) => name + value)
        .join(""),
    )
    .join("");
}

export function isForm(contentType: string | undefined): boolean {
  return /^application\/x-www-form-urlencoded\s*(;|$)/i.test(contentType ?? "");
}

function byCodeUnit(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function hmac(algorithm: string, secret: string, ...parts: readonly Uint8Array[]): Buffer {
  const sum = createHmac(algorithm, secret);
  for (const part of parts) sum.update(part);
  return sum.digest();
}

function lacking(field: string, verification: string): BindingError {
  return new BindingError(
    "invalid_argument",
    `metadata ${field} is required by verification ${verification}`,
  );
}

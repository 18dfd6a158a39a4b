import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import webhook from "../../../src/bindings/webhook/index.ts";
import { verifierOf } from "../../../src/bindings/webhook/verification.ts";
import type { SignedRequest } from "../../../src/http-receiver/verify.ts";
import { parseFields } from "../../../src/metadata/parse.ts";

function verifier(properties: Record<string, string>): (request: Partial<Request>) => boolean {
  const { values } = parseFields(webhook.metadata, { address: "0", ...properties });
  const verify = verifierOf(values);
  return ({ headers = {}, query = "", body = "" }) =>
    verify({ headers, query, body: Buffer.from(body) }) === undefined;
}

type Request = Omit<SignedRequest, "body"> & { body: string };

const form = { "content-type": "application/x-www-form-urlencoded; charset=UTF-8" };

describe("twilio", () => {
  // The example of Twilio's own documentation.
  const documented = {
    query: "foo=1&bar=2",
    body: new URLSearchParams({
      To: "+18005551212",
      From: "+14158675309",
      Digits: "1234",
      Caller: "+14158675309",
      CallSid: "CA1234567890ABCDE",
    }).toString(),
    headers: { ...form, "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=" },
  };
  const properties = {
    verification: "twilio",
    secret: "12345",
    publicUrl: "https://mycompany.com/myapp.php",
  };

  test("takes the documented example", () => {
    expect(verifier(properties)(documented)).toBe(true);
  });

  test("refuses a changed parameter, query, address, secret or no signature", () => {
    const verify = verifier(properties);
    expect(verify({ ...documented, body: documented.body.replace("1234", "1235") })).toBe(false);
    expect(verify({ ...documented, query: "foo=1&bar=3" })).toBe(false);
    expect(verify({ ...documented, headers: form })).toBe(false);
    expect(verify({ ...documented, headers: { ...form, "x-twilio-signature": "" } })).toBe(false);
    expect(verifier({ ...properties, secret: "12346" })(documented)).toBe(false);
    expect(verifier({ ...properties, publicUrl: "https://other.com/" })(documented)).toBe(false);
  });

  test("takes the URL with and without the standard port, repeated parameters once", () => {
    const sign = (url: string): string => createHmac("sha1", "12345").update(url).digest("base64");
    const verify = verifier(properties);
    const signed = (signature: string): Partial<Request> => ({
      body: "b=2&a=%C3%A9&b=1&b=2",
      headers: { ...form, "x-twilio-signature": signature },
    });
    expect(verify(signed(sign("https://mycompany.com/myapp.phpaéb1b2")))).toBe(true);
    expect(verify(signed(sign("https://mycompany.com:443/myapp.phpaéb1b2")))).toBe(true);
    expect(verify(signed(sign("https://mycompany.com:8443/myapp.phpaéb1b2")))).toBe(false);
  });

  test("a JSON body is vouched for by its hash in the query", () => {
    const body = '{"a":1}';
    const query = `bodySHA256=${createHash("sha256").update(body).digest("hex")}`;
    const signature = createHmac("sha1", "12345")
      .update(`https://mycompany.com/myapp.php?${query}`)
      .digest("base64");
    const headers = { "content-type": "application/json", "x-twilio-signature": signature };
    const verify = verifier(properties);
    expect(verify({ headers, query, body })).toBe(true);
    expect(verify({ headers, query, body: '{"a":2}' })).toBe(false);

    const unsigned = createHmac("sha1", "12345")
      .update("https://mycompany.com/myapp.php")
      .digest("base64");
    const bare = { ...headers, "x-twilio-signature": unsigned };
    expect(verify({ headers: bare, body: "" })).toBe(true);
    expect(verify({ headers: bare, body })).toBe(false);
  });
});

describe("github", () => {
  // The example of GitHub's own documentation.
  const secret = "It's a Secret to Everybody";
  const body = "Hello, World!";
  const good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

  test("takes the documented example and refuses anything else", () => {
    const verify = verifier({ verification: "github", secret });
    const headers = { "x-hub-signature-256": good };
    expect(verify({ body, headers })).toBe(true);
    expect(verify({ body: "Hello, World?", headers })).toBe(false);
    expect(verify({ body, headers: { "x-hub-signature-256": good.slice(0, -2) } })).toBe(false);
    expect(verify({ body, headers: { "x-hub-signature-256": good.slice(7) } })).toBe(false);
    expect(verify({ body })).toBe(false);
  });

  test("a second secret is good too", () => {
    const both = { verification: "github", secret: "new", secondarySecret: secret };
    expect(verifier(both)({ body, headers: { "x-hub-signature-256": good } })).toBe(true);
  });
});

describe("stripe", () => {
  const body = '{"id":"evt_1"}';
  const sign = (time: number, secret = "whsec_x"): string =>
    createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  const now = Math.floor(Date.now() / 1000);
  const verify = verifier({ verification: "stripe", secret: "whsec_x" });
  const given = (signature: string): Partial<Request> => ({
    body,
    headers: { "stripe-signature": signature },
  });

  test("takes any of the signatures of a recent time", () => {
    expect(verify(given(`t=${now},v1=${sign(now)},v0=00`))).toBe(true);
    expect(verify(given(`t=${now},v1=${sign(now, "old")},v1=${sign(now)}`))).toBe(true);
  });

  test("refuses what is old, of the future, wrong or malformed", () => {
    for (const time of [now - 310, now + 310]) {
      expect(verify(given(`t=${time},v1=${sign(time)}`))).toBe(false);
    }
    expect(verify(given(`t=${now},v1=${sign(now, "other")}`))).toBe(false);
    expect(verify(given(`t=${now},v0=${sign(now)}`))).toBe(false);
    expect(verify(given(`t=${now - 1},v1=${sign(now)}`))).toBe(false);
    expect(verify(given(`v1=${sign(now)}`))).toBe(false);
    expect(verify(given(""))).toBe(false);
    expect(verify({ body })).toBe(false);
  });

  test("the tolerance can be widened", () => {
    const patient = verifier({
      verification: "stripe",
      secret: "whsec_x",
      timestampTolerance: "1h",
    });
    expect(patient(given(`t=${now - 3000},v1=${sign(now - 3000)}`))).toBe(true);
  });
});

describe("hmac", () => {
  const body = "payload";

  test.each([
    ["sha1", "base64", "v1,"],
    ["sha256", "hex", ""],
    ["sha512", "hex", "sha512="],
  ] as const)("%s in %s after %j", (algorithm, encoding, prefix) => {
    const verify = verifier({
      verification: "hmac",
      secret: "key",
      signatureHeader: "X-Sig",
      signatureAlgorithm: algorithm,
      signatureEncoding: encoding,
      signaturePrefix: prefix,
    });
    const signature = prefix + createHmac(algorithm, "key").update(body).digest(encoding);
    expect(verify({ body, headers: { "x-sig": signature } })).toBe(true);
    expect(verify({ body: "other", headers: { "x-sig": signature } })).toBe(false);
    expect(verify({ body, headers: { "x-signature": signature } })).toBe(false);
  });
});

test("what a verification needs is asked for, and none needs nothing", () => {
  expect(() => verifier({ verification: "github" })).toThrow(
    "metadata secret is required by verification github",
  );
  expect(() => verifier({ verification: "hmac", secret: "" })).toThrow(/secret is required/);
  expect(() => verifier({ verification: "twilio", secret: "x" })).toThrow(/publicUrl is required/);
  expect(verifier({})({ body: "anything" })).toBe(true);
});

import { createPublicKey } from "node:crypto";
import { jwtVerify } from "jose";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { readAssertionKey, signAssertion } from "../../src/oauth/client-assertion.ts";
import { clientCredentials } from "../../src/oauth/client-credentials.ts";
import { keptToken, renewalOf, type Token } from "../../src/oauth/token.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { startLoopback, type Responder } from "../bindings/http/loopback-server.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

const client = {
  clientId: "shop",
  scopes: ["openid", "orders"],
  prove: async () => ({ client_secret: "hush" }),
};

async function asked(respond: Responder, hide = vi.fn<(secret: string) => void>()) {
  const server = await startLoopback(respond);
  onTestFinished(async () => server[Symbol.asyncDispose]());
  const source = clientCredentials({ ...client, endpoint: server.url, hide });
  return { server, hide, ask: () => source(AbortSignal.timeout(5000)) };
}

const answering =
  (status: number, body: string, headers: Record<string, string> = {}): Responder =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);

test("asks with the client's credentials, and names what must not be shown", async () => {
  const { server, hide, ask } = await asked(
    answering(200, '{"access_token":"token-1","expires_in":"60"}'),
  );
  expect(await ask()).toMatchObject({ token: "token-1", lifetime: 60_000 });
  expect(server.received[0]?.body.toString()).toBe(
    "grant_type=client_credentials&client_id=shop&scope=openid+orders&client_secret=hush",
  );
  expect(hide.mock.calls.flat()).toEqual(["hush", "token-1"]);
});

test("asks with the client's password by HTTP's own way, through what carries its requests", async () => {
  const hide = vi.fn<(secret: string) => void>();
  const post = vi.fn(async () => ({ status: 200, body: '{"access_token":"token-1"}' }));
  const own = { ...client, prove: async () => ({}), clientId: "the shop", password: "hu:sh+" };
  const source = clientCredentials({ ...own, endpoint: "https://auth.example", hide, post });
  const signal = AbortSignal.timeout(5000);
  expect(await source(signal)).toMatchObject({ token: "token-1", lifetime: undefined });
  const proof = Buffer.from("the+shop:hu%3Ash%2B").toString("base64");
  expect(post.mock.calls).toEqual([
    [
      "grant_type=client_credentials&scope=openid+orders",
      {
        ...{ accept: "application/json", authorization: `Basic ${proof}` },
        "content-type": "application/x-www-form-urlencoded",
      },
      signal,
    ],
  ]);
  expect(hide.mock.calls.flat()).toEqual([proof, "token-1"]);
});

test("a token that was refused is not given again", async () => {
  let asked = 0;
  const kept = keptToken(async () => {
    asked++;
    return { token: `token-${asked}`, receivedAt: Date.now(), lifetime: 3_600_000 };
  });
  expect([await kept(), await kept()]).toEqual(["token-1", "token-1"]);
  kept.refused("another");
  expect(await kept()).toBe("token-1");
  kept.refused("token-1");
  expect(await kept()).toBe("token-2");
});

test.each([
  [
    "a refusal",
    answering(401, '{"error":"invalid_client"}'),
    /^no token from 127.0.0.1:\d+: HTTP 401: invalid_client$/,
  ],
  ["an endless reason", answering(400, JSON.stringify({ error: "x".repeat(201) })), /: HTTP 400$/],
  ["no JSON", answering(502, "<html>"), /: HTTP 502 without JSON$/],
  ["no token", answering(200, "[]"), /: HTTP 200$/],
  ["a token that is no text", answering(200, '{"access_token":1}'), /: HTTP 200$/],
  ["too much", answering(200, `"${"x".repeat(1024 * 1024)}"`), /larger than 1048576 bytes$/],
])("%s is told in the server's name", async (_title, respond, message) => {
  const { ask } = await asked(respond);
  await expect(ask()).rejects.toMatchObject({
    reason: "unauthenticated",
    effect: "unsent",
    message: expect.stringMatching(message) as string,
  });
});

test("a redirect is not followed: the secret goes to no other server", async () => {
  const other = await asked(answering(200, '{"access_token":"stolen"}'));
  const { ask } = await asked(answering(307, "", { location: other.server.url }));
  await expect(ask()).rejects.toThrow("HTTP 307");
  expect(other.server.received).toEqual([]);
});

test.each(["nowhere", "file:///etc/passwd"])("the endpoint %s is refused", (endpoint) => {
  const wrong = { ...client, endpoint, hide: undefined };
  expect(() => clientCredentials(wrong)).toThrow("no http or https URL");
});

test("an assertion is a JWT of five minutes that the key has signed, each with an id of its own", async () => {
  const { cert, key } = certificates.client;
  const signer = readAssertionKey(key, cert);
  const all = { clientId: "shop", audience: "https://audience", signer, keyId: "key-1" };
  const [one, two] = [await signAssertion(all), await signAssertion(all)];
  const read = async ({ client_assertion: text }: typeof one) =>
    jwtVerify(text, createPublicKey(cert), { audience: "https://audience", issuer: "shop" });
  const { payload, protectedHeader } = await read(one);
  expect(payload.sub).toBe("shop");
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);
  expect(protectedHeader).toMatchObject({ kid: "key-1", x5t: expect.any(String) as string });
  expect((await read(two)).payload.jti).not.toBe(payload.jti);
});

const given = (token: string, lifetime: number | undefined): Token => ({
  ...{ token, lifetime },
  receivedAt: Date.now(),
});

test("a token is kept until a tenth of its life is left, and asked for once by many", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let count = 0;
  const token = keptToken(async () => given(`token-${++count}`, 100_000));
  expect(await Promise.all([token(), token(), token()])).toEqual(["token-1", "token-1", "token-1"]);
  vi.setSystemTime(Date.now() + 89_999);
  expect(await token()).toBe("token-1");
  vi.setSystemTime(Date.now() + 1);
  expect(await token()).toBe("token-2");
});

test("after a failure the next who asks tries again, and a token without an end is used once", async () => {
  let count = 0;
  const token = keptToken(async () => {
    if (++count === 1) throw new Error("not now");
    return given(`token-${count}`, undefined);
  });
  await expect(token()).rejects.toThrow("not now");
  expect([await token(), await token()]).toEqual(["token-2", "token-3"]);
});

test("of a long life a minute is kept back, and an unknown one is assumed", () => {
  const token = { token: "t", receivedAt: 1000 };
  expect(renewalOf({ ...token, lifetime: 3_600_000 }, 0)).toBe(1000 + 3_540_000);
  expect(renewalOf({ ...token, lifetime: undefined }, 300_000)).toBe(1000 + 270_000);
});

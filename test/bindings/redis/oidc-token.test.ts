import { createPublicKey } from "node:crypto";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import redisBinding from "../../../src/bindings/redis/redis/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { exchange } from "../../servers/exchange.ts";
import { makeCertificates } from "../certificates.ts";
import { openOutput } from "../opened-output.ts";

describeWith("redis", { own: true, arguments: ["--requirepass", "first-token"] }, (server) => {
  const certificates = makeCertificates();
  let issuer: Server;
  let endpoint: string;
  let asked: URLSearchParams[];
  let answers: { status: number; body: string }[];

  beforeAll(async () => {
    issuer = createServer(
      { cert: certificates.server.cert, key: certificates.server.key },
      (request, response) => {
        void text(request).then((body) => {
          asked.push(new URLSearchParams(body));
          const { status, body: answer } = answers.shift() ?? { status: 500, body: "" };
          response.writeHead(status).end(answer);
        });
      },
    );
    await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
    endpoint = `https://localhost:${(issuer.address() as AddressInfo).port}/token`;
  });
  afterAll(() => {
    certificates.remove();
    issuer.closeAllConnections();
    issuer.close();
  });
  beforeEach(() => {
    asked = [];
    answers = [];
  });

  const properties = (): Record<string, string> => ({
    redisHost: `${server.host}:${server.port}`,
    useOIDC: "true",
    oidcTokenEndpoint: endpoint,
    oidcClientID: "shop",
    oidcClientAssertionCert: certificates.client.cert,
    oidcClientAssertionKey: certificates.client.key,
    oidcScopes: "openid, redis",
    oidcResource: "urn:redis",
    oidcKid: "key-1",
    oidcCACert: certificates.ca,
  });
  const issue = (token: string, seconds: number): void => {
    const body = JSON.stringify({ access_token: token, expires_in: seconds });
    answers.push({ status: 200, body });
  };

  test("logs in with a token for a signed assertion", async () => {
    issue("first-token", 3600);
    await using redis = await openOutput(redisBinding, properties());
    await redis.ping();
    const form = Object.fromEntries(asked[0] ?? []);
    expect(form).toMatchObject({
      grant_type: "client_credentials",
      client_id: "shop",
      scope: "openid redis",
      resource: "urn:redis",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    const key = createPublicKey(certificates.client.cert);
    const verified = await jwtVerify(form["client_assertion"] ?? "", key, { audience: endpoint });
    expect(verified.payload).toMatchObject({ iss: "shop", sub: "shop" });
    expect(verified.protectedHeader).toMatchObject({ kid: "key-1", x5t: expect.any(String) });
  });

  test("logs in anew before the token ends", async () => {
    issue("first-token", 1);
    issue("second-token", 3600);
    const alter = "AUTH first-token\r\nCONFIG SET requirepass second-token\r\n";
    await using redis = await openOutput(redisBinding, properties());
    await exchange(server, alter, /OK\r\n.*OK\r\n$/s);
    await vi.waitFor(() => expect(asked).toHaveLength(2), { timeout: 10_000 });
    await vi.waitFor(async () => {
      const users = await exchange(
        server,
        "AUTH second-token\r\nINFO commandstats\r\n",
        /cmdstat_auth:[^\r]*\r\n/,
      );
      expect(Number(/cmdstat_auth:calls=(\d+)/.exec(users)?.[1])).toBeGreaterThanOrEqual(4);
    });
    await redis.ping();
    await exchange(
      server,
      "AUTH second-token\r\nCONFIG SET requirepass first-token\r\n",
      /OK\r\n.*OK\r\n$/s,
    );
  });

  test("a token that cannot be renewed makes the connection lost", async () => {
    issue("first-token", 1);
    answers.push({ status: 400, body: '{"error":"invalid_client"}' });
    await using redis = await openOutput(redisBinding, properties());
    expect(await redis.lost).toMatchObject({
      reason: "unauthenticated",
      message: expect.stringMatching(/^no token from localhost:\d+: HTTP 400: invalid_client$/),
    });
  });

  test.each([
    ["a refusal", 401, '{"error":"invalid_client"}', "HTTP 401: invalid_client"],
    ["no JSON", 502, "<html>", "HTTP 502 without JSON"],
    ["no token", 200, "{}", "HTTP 200"],
  ])("%s of the OAuth server is told", async (_title, status, body, message) => {
    answers.push({ status, body });
    await expect(openOutput(redisBinding, properties())).rejects.toThrow(message);
  });

  test("an unknown authority is told", async () => {
    const opening = openOutput(redisBinding, { ...properties(), oidcCACert: "" });
    await expect(opening).rejects.toMatchObject({ reason: "unauthenticated", effect: "unsent" });
  });

  test("a key that is none is told, and not shown", async () => {
    const opening = openOutput(redisBinding, { ...properties(), oidcClientAssertionKey: "s3cret" });
    await expect(opening).rejects.toThrow(/^oidcClientAssertionKey or .* is no PEM text$/);
  });

  test("a password beside it is refused", async () => {
    const opening = openOutput(redisBinding, { ...properties(), redisPassword: "x" });
    await expect(opening).rejects.toThrow("exclude each other");
  });
});

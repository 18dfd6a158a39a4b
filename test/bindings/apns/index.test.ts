import { generateKeyPairSync } from "node:crypto";
import { createSecureServer } from "node:http2";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import apns from "../../../src/bindings/apns/index.ts";
import { inPlaceOf } from "../../golden/in-place-of.ts";
import {
  apnsLogin,
  asHttp2,
  deviceToken,
  keyId,
  startApns,
  teamId,
  unregistered,
} from "../../servers/apns.ts";
import { openOutput, textOf } from "../opened-output.ts";

// The tokens of a key live on from test to test, as they do from component to component.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

async function serve(properties: Record<string, string> = {}) {
  const server = await startApns();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(apns, { ...apnsLogin, apiUrl: server.url, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

const request = { "device-token": deviceToken, "apns-topic": "com.example.shop" };
const data = '{"aps": {"alert": "Grüße"}}';
const minutes = (count: number): void => void vi.setSystemTime(Date.now() + count * 60_000);

test("create sends a notification and answers its id", async () => {
  const { server, output } = await serve();
  const all = {
    ...{ ...request, "apns-push-type": "alert", "apns-priority": "5", "apns-expiration": "0" },
    ...{ "apns-id": "123e4567-e89b-12d3-a456-426614174000", "apns-collapse-id": "order 1" },
  };
  const answer = await output.invoke("create", { ...all, other: "x" }, { data });
  expect(textOf(answer)).toBe('{"messageID":"123e4567-e89b-12d3-a456-426614174000"}\n');
  const { "device-token": device, ...headers } = all;
  expect(server.sent).toEqual([{ device, headers, body: data }]);
  const [token = ""] = server.tokens;
  expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: keyId });
  expect(decodeJwt(token)).toEqual({ iss: teamId, iat: Math.floor(Date.now() / 1000) });
});

test("Apple makes an id where the call has none; empty headers are none", async () => {
  const { server, output } = await serve();
  const answer = await output.invoke("create", { ...request, "apns-priority": "" }, { data });
  expect(JSON.parse(textOf(answer) ?? "")).toEqual({ messageID: expect.stringMatching(/^5A1B/) });
  expect(server.sent[0]?.headers).toEqual({ "apns-topic": "com.example.shop" });
});

test("many notifications go by one connection at the same time", async () => {
  const { server, output } = await serve();
  const calls = Array.from({ length: 200 }, () => output.invoke("create", request, { data }));
  await Promise.all(calls);
  expect(server.sent).toHaveLength(200);
});

test("through a proxy, to Apple's host of the environment, which has to prove who it is", async () => {
  const place = await inPlaceOf(["api.sandbox.push.apple.com"], startApns, (pair, listener) =>
    createSecureServer(pair, asHttp2(listener)),
  );
  onTestFinished(() => place.close());
  vi.stubEnv("HTTPS_PROXY", place.environment.HTTPS_PROXY);
  onTestFinished(() => void vi.unstubAllEnvs());
  const ofSandbox = { ...apnsLogin, development: "true" };
  await using output = await openOutput(apns, { ...ofSandbox, caCert: place.caCert });
  await output.invoke("create", request, { data });
  expect(place.standIn.sent).toHaveLength(1);
  await using stranger = await openOutput(apns, ofSandbox);
  await expect(stranger.invoke("create", request, { data })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
    message: expect.stringMatching(/unable to verify|self-signed|unknown authority/),
  });
  // No other host is let through.
  await using production = await openOutput(apns, { ...apnsLogin, caCert: place.caCert });
  await expect(production.invoke("create", request, { data })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
    message: expect.stringContaining(
      "ended the connection before it reached api.push.apple.com:443",
    ),
  });
});

test("a connection that ends is made anew by the next call", async () => {
  const { server, output } = await serve();
  await output.invoke("create", request, { data });
  server.state.hangUp = true;
  await expect(output.invoke("create", request, { data })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous" },
  });
  server.state.hangUp = false;
  await output.invoke("create", request, { data });
  expect(server.sent).toHaveLength(2);
});

describe("tokens", () => {
  beforeEach(() => minutes(24 * 60));

  test("are renewed before the hour is over, and not more often than every twenty minutes", async () => {
    const { server, output } = await serve();
    for (let minute = 0; minute < 180; minute += 5) {
      await output.invoke("create", request, { data });
      minutes(5);
    }
    expect(server.sent).toHaveLength(36);
    expect(server.tokens).toHaveLength(4);
  });

  test("are shared by the components of one key, and with those that come after them", async () => {
    const { server, output } = await serve();
    await output.invoke("create", request, { data });
    minutes(1);
    await using second = await openOutput(apns, { ...apnsLogin, apiUrl: server.url });
    await second.invoke("create", request, { data });
    expect(server.tokens).toHaveLength(1);
  });

  test("one that Apple takes for expired is made anew, unless that is too early", async () => {
    const { server, output } = await serve();
    await output.invoke("create", request, { data });
    const expired = { status: 403, body: '{"reason":"ExpiredProviderToken"}' };
    Object.assign(server.state, expired);
    const call = (): Promise<unknown> => output.invoke("create", request, { data });
    await expect(call()).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected", message: "ExpiredProviderToken" },
    });
    minutes(21);
    await expect(call()).rejects.toMatchObject({ reason: "unauthenticated", effect: "unsent" });
    Object.assign(server.state, { status: 0 });
    await call();
    expect(server.tokens).toHaveLength(2);
  });
});

describe("refused before it is sent", () => {
  test.each<[Record<string, string>, string]>([
    [{}, "the device-token parameter is required"],
    [{ "device-token": "" }, "the device-token parameter is required"],
    [
      { "device-token": "../../1/x" },
      "the device-token parameter is no text of hexadecimal digits",
    ],
    [
      { "device-token": deviceToken, "apns-topic": "a\r\nb: c" },
      'invalid header field value for "apns-topic"',
    ],
    [
      { "device-token": deviceToken, "apns-collapse-id": "ü" },
      'invalid header field value for "apns-collapse-id"',
    ],
  ])("%j", async (metadata, message) => {
    const { server, output } = await serve();
    await expect(output.invoke("create", metadata, { data })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", message },
    });
    expect(server.received).toEqual([]);
  });
});

const pem = (curve: "P-256" | "P-384"): string =>
  generateKeyPairSync("ec", { namedCurve: curve }).privateKey.export({
    format: "pem",
    type: "pkcs8",
  });

test.each([
  ["private-key", "hush", "unable to read the private key"],
  ["private-key", pem("P-384"), "the private key is none for ES256"],
  ["apiUrl", "https://example.com/3", "apiUrl must be https:// and a host, without a path"],
  ["apiUrl", "ftp://example.com", 'unsupported protocol scheme "ftp"'],
])("a component whose %s is %s does not open, and check says so", async (name, value, message) => {
  const properties = { ...apnsLogin, [name]: value };
  await expect(openOutput(apns, properties)).rejects.toThrow(message);
  const found = await apns.check?.(properties as never, { input: false, output: true });
  expect(found).toEqual([expect.stringContaining(message)]);
});

describe("what goes wrong", () => {
  test.each([
    [{ "device-token": unregistered }, "Unregistered", "not_found"],
    [{ "device-token": "abc" }, "BadDeviceToken", "invalid_argument"],
    [{ "apns-topic": "" }, "MissingTopic", "invalid_argument"],
    [{ "apns-priority": "11" }, "BadPriority", "invalid_argument"],
    [{ "apns-push-type": "call" }, "InvalidPushType", "invalid_argument"],
  ])("%j: %s", async (metadata, message, reason) => {
    const { output } = await serve();
    const call = output.invoke("create", { ...request, ...metadata }, { data });
    await expect(call).rejects.toMatchObject({
      ...{ reason, effect: "rejected", systemCode: message, message },
    });
  });

  test.each([
    ["nothing", undefined, "PayloadEmpty", "invalid_argument"],
    ["too much", "x".repeat(4097), "PayloadTooLarge", "resource_exhausted"],
  ])("%s", async (_, data, message, reason) => {
    const { output } = await serve();
    const call = output.invoke("create", request, data === undefined ? {} : { data });
    await expect(call).rejects.toMatchObject({ reason, effect: "rejected", message });
  });

  test("a key of somebody else", async () => {
    const { output } = await serve({ "private-key": pem("P-256") });
    await expect(output.invoke("create", request, { data })).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected", systemCode: "InvalidProviderToken" },
    });
  });

  test.each([
    [429, '{"reason":"TooManyRequests"}', "resource_exhausted", "unsent", "TooManyRequests"],
    [400, '{"reason":"IdleTimeout"}', "unavailable", "unsent", "IdleTimeout"],
    [403, '{"reason":"BadCertificate"}', "permission_denied", "rejected", "BadCertificate"],
    [400, '{"reason":"TopicDisallowed"}', "permission_denied", "rejected", "TopicDisallowed"],
    [500, '{"reason":"InternalServerError"}', "internal", "ambiguous", "InternalServerError"],
    [503, "", "unavailable", "ambiguous", "HTTP status 503"],
    [404, "<html>", "not_found", "rejected", "HTTP status 404"],
  ])("%s %s: %s, %s", async (status, body, reason, effect, message) => {
    const { server, output } = await serve();
    Object.assign(server.state, { status, body });
    await expect(output.invoke("create", request, { data })).rejects.toMatchObject({
      ...{ reason, effect, message },
    });
    expect(server.received).toHaveLength(1);
  });

  test("nobody there: nothing was sent", async () => {
    const { output } = await serve({ apiUrl: "http://127.0.0.1:1" });
    await expect(output.invoke("create", request, { data })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent" },
      message: expect.stringMatching(/^Post ".*": cannot connect to .*ECONNREFUSED/),
    });
  });

  test("a caller who cancels", async () => {
    const { output } = await serve();
    const call = output.invoke("create", request, { data, signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ reason: "cancelled", effect: "unsent" });
  });
});

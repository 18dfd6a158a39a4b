import { createHmac } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import signalr from "../../../../src/bindings/azure/azure.signalr/index.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { openOutput, textOf } from "../../opened-output.ts";
import { accessKey, claimsOf, startSignalr } from "./stand-in.ts";

async function serve(properties: Record<string, string> = { accessKey, hub: "Orders" }) {
  const server = await startSignalr();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(signalr, { endpoint: server.url, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

const data = '{"target":"new","arguments":["order"]}';

describe("create", () => {
  test.each([
    [{}, "orders"],
    [{ hub: "Others" }, "others"],
    [{ hub: "" }, "orders"],
    [{ group: "A/b?c" }, "orders|groups|A/b?c"],
    [{ user: "ä 1" }, "orders|users|ä 1"],
    [{ group: "a", user: "b" }, "orders|groups|a"],
    [{ group: "", user: "b" }, "orders|users|b"],
  ])("%j", async (metadata, path) => {
    const { server, output } = await serve();
    expect(await output.invoke("create", metadata, { data })).toBeUndefined();
    expect(server.sent).toEqual([{ path, body: data }]);
    const { headers } = server.received[0]!;
    expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    const { exp, sub } = claimsOf(String(headers.authorization));
    expect(Number(exp) * 1000 - Date.now()).toBeGreaterThan(14 * 60_000);
    expect(Number(exp) * 1000 - Date.now()).toBeLessThan(15 * 60_000 + 1000);
    expect(sub).toBeUndefined();
  });

  test.each([
    [400, "invalid_argument", "rejected"],
    [404, "not_found", "rejected"],
    [429, "resource_exhausted", "unsent"],
    [503, "unavailable", "ambiguous"],
  ])("%s by the service", async (status, reason, effect) => {
    const { server, output } = await serve();
    server.state.status = status;
    await expect(output.invoke("create", {}, { data })).rejects.toMatchObject({
      ...{ reason, effect, systemCode: String(status) },
      message: `azure signalr failed with code ${status}, content is 'words of the service'`,
    });
  });

  test.each([
    [{ accessKey }, {}, "missing hub"],
    [{ accessKey, hub: ".." }, {}, "a hub cannot be named .."],
    [{ accessKey, hub: "orders" }, { group: "." }, "a group cannot be named ."],
    [{ accessKey, hub: "orders" }, { user: "u".repeat(1025) }, "more than 1024 characters"],
  ])("%j and %.60j are refused", async (properties, metadata, message) => {
    const { server, output } = await serve(properties);
    const call = output.invoke("create", metadata, { data });
    await expect(call).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
      message: expect.stringContaining(message),
    });
    expect(server.received).toEqual([]);
  });
});

describe("clientNegotiate", () => {
  test.each([
    [{}, "orders", undefined],
    [{ hub: "Others", user: "ä" }, "others", "ä"],
  ])("%j: a token that is good for an hour", async (metadata, hub, user) => {
    const { server, output } = await serve();
    const answer = await output.invoke("clientNegotiate", metadata);
    const { url, accessToken } = JSON.parse(textOf(answer) ?? "") as Record<string, string>;
    expect(url).toBe(`${server.url}/client/?hub=${hub}`);
    expect(Object.keys(JSON.parse(textOf(answer) ?? "") as object)).toEqual(["accessToken", "url"]);
    const claims = claimsOf(accessToken ?? "");
    expect(claims).toMatchObject({ aud: url, ...(user === undefined ? {} : { sub: user }) });
    expect(Math.abs(Number(claims["exp"]) * 1000 - Date.now() - 3_600_000)).toBeLessThan(60_000);
    const [head, body, signature] = (accessToken ?? "").split(".");
    expect(JSON.parse(Buffer.from(head ?? "", "base64url").toString())).toEqual({
      ...{ alg: "HS256", typ: "JWT" },
    });
    const expected = createHmac("sha256", accessKey).update(`${head}.${body}`).digest("base64url");
    expect(signature).toBe(expected);
    expect(server.received).toEqual([]);
  });
});

test("without an access key a token of Entra ID is sent, and the service makes that of a client", async () => {
  const entra = await EntraServer.start({ clientId: "shop", secret: "hush" });
  onTestFinished(() => entra[Symbol.asyncDispose]());
  const server = await startSignalr((token) =>
    entra.knows(token, "https://signalr.azure.com/.default"),
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  const connectionString = `Endpoint=${server.url}/;AuthType=aad;ClientId=shop;ClientSecret=hush;TenantId=${entra.tenant};Version=1.0;`;
  await using output = await openOutput(signalr, {
    ...{ connectionString, hub: "orders", azureAuthorityHost: entra.url },
  });
  await output.invoke("create", { user: "1" }, { data });
  expect(server.sent).toEqual([{ path: "orders|users|1", body: data }]);
  const answer = await output.invoke("clientNegotiate", { user: "a&b" });
  expect(JSON.parse(textOf(answer) ?? "")).toEqual({
    ...{ accessToken: "for a&b", url: `${server.url}/client/?hub=orders` },
  });
  expect(entra.given).toHaveLength(1);
});

test("a service that is away: unsent, in Dapr's words", async () => {
  const { server, output } = await serve();
  await server[Symbol.asyncDispose]();
  await expect(output.invoke("create", {}, { data })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent" },
    message: expect.stringMatching(/^request to azure signalr api failed: /),
  });
});

const endpoint = "http://127.0.0.1:1";
test.each([
  [{}, "missing endpoint in the metadata or connection string"],
  [{ connectionString: `Endpoint=${endpoint};` }, "missing AccessKey in the connection string"],
  [{ connectionString: "Endpoint" }, "the connection string is invalid or malformed"],
  [{ connectionString: "Endpoint=;" }, "the connection string is invalid or malformed"],
  [
    { connectionString: `Endpoint=${endpoint};AuthType=other` },
    "invalid value for AuthType in the connection string; only 'aad' is supported",
  ],
  [
    { connectionString: `Endpoint=${endpoint};AccessKey=k;Version=2.0` },
    "invalid value for Version in the connection string: '2.0'; only version '1.0' is supported",
  ],
  [{ endpoint: `${endpoint}?a=b`, accessKey }, "endpoint must have no query and no fragment"],
])("the metadata %j are refused", async (properties, message) => {
  const opening = openOutput(signalr, properties);
  await expect(opening).rejects.toMatchObject({ reason: "invalid_argument", message });
});

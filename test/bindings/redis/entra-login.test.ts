import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import streamsBinding from "../../../src/bindings/redis/redis.streams/index.ts";
import redisBinding from "../../../src/bindings/redis/redis/index.ts";
import redisState from "../../../src/states/redis.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { EntraServer } from "../../servers/entra.ts";
import { exchange } from "../../servers/exchange.ts";
import { until } from "../../until.ts";
import { openOutput, textOf } from "../opened-output.ts";

const clientId = "c7dd251f-811f-4ba2-a905-acd4d3f8f08b";
const objectId = "5a1c39a1-5b2f-4a5d-9d0e-6f0f3f1f3f55";

describeWith("redis", { own: true }, (server) => {
  let entra: EntraServer;
  const tokens: string[] = [];

  beforeEach(async () => {
    entra = await EntraServer.start(
      { clientId, secret: "s3cret", objectId },
      { clientId: "nobody", secret: "s3cret", objectId: null },
    );
    // As Azure's service does, the server takes tokens of that user.
    entra.beforeGiving = async (token) => {
      tokens.push(token);
      await admin(`ACL SETUSER ${objectId} on >${token} ~* +@all`);
    };
  });
  afterEach(async () => {
    await entra[Symbol.asyncDispose]();
    await admin(`ACL DELUSER ${objectId}`);
    tokens.length = 0;
  });

  const admin = (command: string): Promise<string> =>
    exchange(server, `${command}\r\n`, /^[+:$-].*\r\n$/s);

  const properties = (): Record<string, string> => ({
    redisHost: `${server.host}:${server.port}`,
    useEntraID: "true",
    azureTenantId: entra.tenant,
    azureClientId: clientId,
    azureClientSecret: "s3cret",
    azureAuthorityHost: entra.url,
  });

  test("logs in as the token's user, for Redis's scope", async () => {
    await using redis = await openOutput(redisBinding, properties());
    await redis.invoke("create", { key: "order" }, { data: "paid" });
    expect(textOf(await redis.invoke("get", { key: "order" }))).toBe("paid");
    expect(entra.given).toMatchObject([{ clientId, scope: "https://redis.azure.com/.default" }]);
    expect(await admin("CLIENT LIST")).toContain(`user=${objectId}`);
  });

  test.each([
    ["redis.streams", streamsBinding, { stream: "orders", consumerGroup: "shop" }, "create", {}],
    ["a state store", redisState, {}, "set", { key: "order" }],
  ] as const)("%s logs in likewise", async (_title, binding, more, operation, request) => {
    await using redis = await openOutput(binding, { ...properties(), ...more });
    await redis.invoke(operation, request, { data: '{"order":"1"}' });
    expect(await admin("CLIENT LIST")).toContain(`user=${objectId}`);
  });

  test("logs in anew on the open connection before the token ends, and loses no call", async () => {
    entra.lifetime = 1;
    await using redis = await openOutput(redisBinding, properties());
    const first = await connection();
    let calls = 0;
    while (tokens.length < 3) {
      // Many are on their way at any time, those of the renewal among them.
      await Promise.all(
        Array.from({ length: 50 }, () => redis.invoke("increment", { key: "count" })),
      );
      calls += 50;
    }
    expect(textOf(await redis.invoke("get", { key: "count" }))).toBe(String(calls));
    await vi.waitFor(async () => expect(await logins()).toBeGreaterThanOrEqual(3));
    for (const token of tokens.slice(0, -1)) await admin(`ACL SETUSER ${objectId} <${token}`);
    await redis.ping();
    expect(await connection()).toBe(first);
  });

  test("goes on with the token it has where another cannot be had, until that ends", async () => {
    // The clock stands still, so that the token is good for as long as the test wants.
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    entra.lifetime = 1;
    await using redis = await openOutput(redisBinding, properties());
    entra.outage = { status: 503, body: "" };
    let isLost = false;
    void redis.lost.then(() => (isLost = true));
    await until(() => entra.requests >= 2, { what: "a failed renewal" });
    await redis.ping();
    expect(isLost).toBe(false);
    vi.setSystemTime(Date.now() + 2000);
    expect(await redis.lost).toMatchObject({
      reason: "unauthenticated",
      effect: "unsent",
      message: expect.stringMatching(
        /^no token of Microsoft Entra ID for https:\/\/redis\.azure\.com\/\.default; tried client secret: no token from .*HTTP 503/,
      ) as unknown,
    });
  });

  test("a failure names each way that was tried", async () => {
    const opening = openOutput(redisBinding, {
      redisHost: `${server.host}:${server.port}`,
      useEntraID: "true",
      azureAuthMethods: "creds, wi",
    });
    await expect(opening).rejects.toMatchObject({
      reason: "unauthenticated",
      effect: "unsent",
      message: expect.stringMatching(
        /tried client secret: azureTenantId, azureClientId, azureClientSecret are not set; workload identity: /,
      ) as unknown,
    });
  });

  test("a token without an object id is no login", async () => {
    const opening = openOutput(redisBinding, { ...properties(), azureClientId: "nobody" });
    await expect(opening).rejects.toThrow("could not parse object ID from Auth token");
  });

  /** The component's, by its number at the server. */
  async function connection(): Promise<string | undefined> {
    const line = new RegExp(`id=(\\d+) [^\n]*user=${objectId}`);
    return line.exec(await admin("CLIENT LIST"))?.[1];
  }

  async function logins(): Promise<number> {
    return Number(/cmdstat_auth:calls=(\d+)/.exec(await admin("INFO commandstats"))?.[1]);
  }
});

describe("what excludes Entra ID is refused before anything is asked", () => {
  test.each([
    [{ redisPassword: "x" }, "username or password must not be specified"],
    [{ redisUsername: "x" }, "username or password must not be specified"],
    [{ useOIDC: "true" }, "useEntraID and useOIDC exclude each other"],
    [{ azureEnvironment: "mars" }, "invalid Azure cloud: mars"],
  ])("%j", async (more, message) => {
    const opening = openOutput(redisBinding, { redisHost: "a", useEntraID: "true", ...more });
    await expect(opening).rejects.toThrow(message);
  });
});

describe("the package for managed identities", () => {
  test.each([
    [{}, false],
    [{ useEntraID: "true" }, true],
    [{ useEntraID: "true", azureAuthMethods: "wi" }, false],
  ])("%j", async (more, needed) => {
    const { parseFields } = await import("../../../src/metadata/parse.ts");
    for (const binding of [redisBinding, streamsBinding]) {
      const given = { redisHost: "a", stream: "orders", consumerGroup: "shop", ...more };
      const { values } = parseFields(binding.metadata, given);
      expect(binding.needsDriver?.("@azure/identity", values as never)).toBe(needed);
    }
  });
});

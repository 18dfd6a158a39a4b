import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import postgres from "../../../src/bindings/postgres/index.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { signedByBotocore } from "../../servers/botocore.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { EntraServer } from "../../servers/entra.ts";
import { endAfterTest } from "../contract.ts";
import { until } from "../../until.ts";
import { openInput } from "../opened-input.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { ask, dropSlot } from "./databases.ts";

const sql = "SELECT current_user::text";

describeWith("postgres", (server) => {
  const host = { host: server.host, port: String(server.port), database: "postgres" };
  let role: string;

  beforeEach(async () => {
    role = uniqueName("shop").replaceAll("-", "_");
    await ask(server, `CREATE ROLE ${role} LOGIN REPLICATION`);
  });
  afterEach(async () => {
    await ask(server, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  /** The role takes this token from now on, and no other. */
  const takes = (token: string) => ask(server, `ALTER ROLE ${role} PASSWORD '${token}'`);

  describe("useAzureAD", () => {
    let entra: EntraServer;
    beforeEach(async () => {
      entra = await EntraServer.start({ clientId: "shop", secret: "s3cret" });
      await prepare();
    });
    afterEach(() => entra[Symbol.asyncDispose]());

    /** The next token that Entra ID gives, and the only one that the role takes: the server looks it up before it asks. */
    async function prepare(): Promise<void> {
      const token = `${uniqueName("token")}.${"x".repeat(1500)}`;
      entra.prepared.push(token);
      await takes(token);
    }

    const properties = (): Record<string, string> => ({
      ...{ ...host, user: role, useAzureAD: "true", azureTenantId: entra.tenant },
      ...{ azureClientId: "shop", azureClientSecret: "s3cret", azureAuthorityHost: entra.url },
    });

    test("each new connection logs in with a token, and with another before it ends", async () => {
      vi.useFakeTimers({ toFake: ["Date"] });
      try {
        await using opened = await openOutput(postgres, { ...properties(), password: "none" });
        expect(textOf(await opened.invoke("query", { sql }))).toBe(`[["${role}"]]`);
        const scope = "https://ossrdbms-aad.database.windows.net/.default";
        expect(entra.given).toMatchObject([{ clientId: "shop", scope }]);
        vi.setSystemTime(Date.now() + 3_600_000);
        await prepare();
        // The first one is in use and stays; the second needs a token.
        const first = opened.invoke("query", { sql: "SELECT pg_sleep(2), current_user::text" });
        const busy = `SELECT count(*) FROM pg_stat_activity WHERE usename = '${role}' AND state = 'active'`;
        const isBusy = async () => (await ask(server, busy))[0]?.[0] === "1";
        await until(isBusy, { what: "the statement that runs" });
        expect(textOf(await opened.invoke("query", { sql }))).toBe(`[["${role}"]]`);
        expect(entra.given).toHaveLength(2);
        expect(textOf(await first)).toContain(role);
      } finally {
        vi.useRealTimers();
      }
    });

    test("the cloud chooses the scope", async () => {
      await using opened = await openOutput(postgres, {
        ...properties(),
        azureEnvironment: "AzureChinaCloud",
      });
      await opened.ping();
      expect(entra.given[0]?.scope).toBe("https://ossrdbms-aad.database.chinacloudapi.cn/.default");
    });

    test("what reads changes logs in so too, on each of its connections", async () => {
      const table = uniqueName("orders").replaceAll("-", "_");
      const [publication, slot] = [`pub_${table}`, `slot_${table}`];
      const made = `CREATE TABLE ${table} (id bigint PRIMARY KEY); CREATE PUBLICATION ${publication} FOR TABLE ${table}`;
      await ask(server, `${made}; GRANT ALL ON ${table} TO ${role}`);
      endAfterTest(async () => {
        await dropSlot(server, slot);
        await ask(server, `DROP PUBLICATION ${publication}; DROP TABLE ${table}`);
      });
      const input = await openInput(postgres, {
        ...properties(),
        ...{ publications: publication, slot, direction: "input" },
      });
      await ask(server, `INSERT INTO ${table} VALUES (17)`);
      expect(Buffer.from((await input.next()).data ?? []).toString()).toContain('"id":17');
      const walsender = `SELECT count(*) FROM pg_stat_replication WHERE usename = '${role}'`;
      expect(await ask(server, walsender)).toEqual([["1"]]);
      await input.close();
    });

    test("a failure names each way that was tried, and nothing was sent", async () => {
      await takes("something");
      const opening = openOutput(postgres, {
        ...{ ...host, user: role, useAzureAD: "true", azureAuthMethods: "creds, wi" },
      });
      await expect(opening).rejects.toMatchObject({
        ...{ reason: "unauthenticated", effect: "unsent" },
        message: expect.stringMatching(
          /tried client secret: azureTenantId, azureClientId, azureClientSecret are not set; workload identity: /,
        ) as unknown,
      });
    });

    test("a token that the server refuses is a refused login", async () => {
      await takes("another");
      await expect(openOutput(postgres, properties())).rejects.toMatchObject({
        ...{ reason: "unauthenticated", effect: "unsent", systemCode: "28P01" },
      });
    });
  });

  describe("useAWSIAM", () => {
    const keys = {
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
      sessionToken: "to/ken+of==",
    };
    const login = (user: string): Record<string, string> => ({
      ...{ ...host, user, useAWSIAM: "true", awsRegion: "eu-central-1" },
      ...{ accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey },
      sessionToken: keys.sessionToken,
    });

    test("each new connection logs in with the token that AWS's own library makes at that time", async () => {
      vi.useFakeTimers({ toFake: ["Date"] });
      try {
        vi.setSystemTime("2026-01-31T10:00:00Z");
        const dates = ["20260131T100000Z", "20260131T101500Z"];
        const odd = `${role}!'*(ü) x`;
        const wish = { kind: "rds", keys, region: "eu-central-1", ...server } as const;
        const tokens = await signedByBotocore([
          ...dates.map((date) => ({ ...wish, host: server.host, user: role, date })),
          { ...wish, host: server.host, user: odd, date: dates[0] ?? "" },
        ]);
        const [first = "", second = "", strange = ""] = tokens.map(inOurOrder);
        await takes(first);
        await using opened = await openOutput(postgres, login(role));
        expect(textOf(await opened.invoke("query", { sql }))).toBe(`[["${role}"]]`);

        vi.setSystemTime("2026-01-31T10:15:00Z");
        await takes(second);
        await ask(
          server,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
        );
        // vi.waitFor would move the clock, and with it the token.
        const isBack = async () =>
          textOf(await opened.invoke("query", { sql }).catch(() => undefined)) === `[["${role}"]]`;
        await until(isBack, { what: "a new connection" });

        vi.setSystemTime("2026-01-31T10:00:00Z");
        const quoted = `"${odd}"`;
        await ask(server, `CREATE ROLE ${quoted} LOGIN PASSWORD '${strange}'`);
        endAfterTest(async () => void (await ask(server, `DROP ROLE ${quoted}`)));
        await using other = await openOutput(postgres, login(odd));
        expect(textOf(await other.invoke("query", { sql }))).toBe(JSON.stringify([[odd]]));
      } finally {
        vi.useRealTimers();
      }
    });

    test("a failure names each link of the chain that was tried", async () => {
      vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
      vi.stubEnv("AWS_CONFIG_FILE", "/nowhere");
      vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere");
      try {
        await takes("something");
        const { accessKey: _, secretKey: __, sessionToken: ___, ...chain } = login(role);
        await expect(openOutput(postgres, chain)).rejects.toMatchObject({
          ...{ reason: "unauthenticated", effect: "unsent" },
          message: expect.stringMatching(
            /^no AWS credentials; tried environment: .*; web identity: .*; profile default: .*; instance metadata: /,
          ) as unknown,
        });
      } finally {
        vi.unstubAllEnvs();
      }
    });
  });
});

/** The parameters may stand in any order; the server of the test compares texts. */
function inOurOrder(token: string): string {
  const [host = "", query = ""] = token.split("?");
  const names = "Action DBUser X-Amz-Expires X-Amz-Security-Token X-Amz-Date X-Amz-Algorithm";
  const rank = (word: string) => `${names} X-Amz-Credential X-Amz-SignedHeaders`.indexOf(word);
  const words = query.split("&").map((word) => [rank(word.split("=")[0] ?? ""), word] as const);
  const [signature, ...rest] = words.toSorted(([one], [other]) => one - other);
  return `${host}?${[...rest, signature].map((word) => word?.[1]).join("&")}`;
}

describe("what does not fit is refused before anything is connected", () => {
  test.each([
    [{ useAzureAD: "true", useAWSIAM: "true" }, "useAzureAD and useAWSIAM exclude each other"],
    [{ useAzureAD: "true", azureEnvironment: "mars" }, "invalid Azure cloud: mars"],
    [
      { useAWSIAM: "true", region: "a b" },
      "metadata properties 'region' or 'AWSRegion' is missing",
    ],
  ])("%j", async (more, message) => {
    await expect(openOutput(postgres, { host: "h", ...more })).rejects.toThrow(message);
  });
});

test.each([
  [{}, []],
  [{ useAzureAD: "true" }, ["@azure/identity"]],
  [{ useAzureAD: "true", azureAuthMethods: "wi" }, []],
  [{ useAWSIAM: "true" }, ["@aws-sdk/credential-providers"]],
  [{ useAWSIAM: "true", accessKey: "a", secretKey: "b" }, []],
])("the packages beside pg that %j needs", (more, expected) => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
  const { values } = parseFields(postgres.metadata, { host: "h", ...more });
  const needed = Object.keys(postgres.drivers ?? {}).filter((name) =>
    postgres.needsDriver?.(name, values as never),
  );
  expect(needed).toEqual(["pg", ...expected].toSorted((one) => (one === "pg" ? -1 : 1)));
  vi.unstubAllEnvs();
});

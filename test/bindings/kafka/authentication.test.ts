import { execFileSync } from "node:child_process";
import { createPublicKey, pbkdf2Sync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Admin, alterUserScramCredentialsV0 } from "@platformatic/kafka";
import { jwtVerify } from "jose";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { securityOf } from "../../../src/bindings/kafka/authentication.ts";
import { kafkaFields } from "../../../src/bindings/kafka/fields.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { EntraServer } from "../../servers/entra.ts";
import { reservePort } from "../../servers/ports.ts";
import { openComponent, until } from "./component.ts";

function security(properties: Record<string, string>): ReturnType<typeof securityOf> {
  return securityOf(
    parseFields(kafkaFields, { brokers: "kafka.example.com:9093", ...properties }).values,
    { memory: new MemoryBudget().share("test"), driver: () => undefined },
  );
}

test.each([
  [{}, /'authType' attribute was missing or empty/],
  [{ authType: "password" }, /missing SASL Username/],
  [{ authType: "password", saslUsername: "u" }, /missing SASL Password/],
  [{ authType: "mtls", disableTls: "true" }, /needs TLS/],
  [{ authType: "mtls", clientCert: "x" }, /clientKey is missing/],
  [{ authType: "certificate" }, /needs caCert/],
  [{ authType: "certificate", caCert: "nonsense" }, /caCert is no PEM text/],
  [{ authType: "oidc" }, /needs oidcTokenEndpoint/],
  [
    { authType: "oidc", oidcTokenEndpoint: "https://x", oidcClientID: "c" },
    /needs oidcClientSecret/,
  ],
  [
    { authType: "oidc_private_key_jwt", oidcTokenEndpoint: "https://x", oidcClientID: "c" },
    /needs oidcClientAssertionKey/,
  ],
  [
    {
      authType: "oidc",
      oidcTokenEndpoint: "https://x",
      oidcClientID: "c",
      oidcClientSecret: "s",
      oidcExtensions: '{"a":1}',
    },
    /oidcExtensions\.a must be a text/,
  ],
  [{ authType: "awsiam" }, /needs region/],
  [{ authType: "entraid", azureAuthMethods: "none" }, /all Azure auth methods have been disabled/],
])("refuses %j", (properties, message) => {
  expect(() => security(properties)).toThrow(message);
});

test("reads the old authRequired", () => {
  expect(security({ authRequired: "false" })).toEqual({});
  expect(security({ authRequired: "true", saslUsername: "u", saslPassword: "p" })).toMatchObject({
    sasl: { mechanism: "PLAIN" },
  });
  expect(security({ authRequired: "true" })).toEqual({
    tls: { rejectUnauthorized: true },
    tlsServerName: true,
  });
});

test("uses TLS unless told otherwise, and names the server only by a name", () => {
  const password = { authType: "password", saslUsername: "u", saslPassword: "p" };
  expect(security(password).tls).toEqual({ rejectUnauthorized: true });
  expect(security({ ...password, skipVerify: "true" }).tls).toEqual({ rejectUnauthorized: false });
  expect(security({ ...password, disableTls: "true" })).not.toHaveProperty("tls");
  expect(security({ ...password, brokers: "10.0.0.1:9093" })).not.toHaveProperty("tlsServerName");
  expect(security({ ...password, saslMechanism: "SHA-512" }).sasl?.mechanism).toBe("SCRAM-SHA-512");
  expect(security({ ...password, saslMechanism: "sha-512" }).sasl?.mechanism).toBe("PLAIN");
});

test("signs an MSK token for the region, by the keys given", async () => {
  const { sasl } = security({
    authType: "awsiam",
    awsRegion: "eu-central-1",
    accessKey: "AKID",
    secretKey: "secret",
    sessionToken: "tok/en",
  });
  expect(sasl?.mechanism).toBe("OAUTHBEARER");
  const provider = sasl?.token;
  if (typeof provider !== "function") throw new TypeError("no token");
  const token = await provider();
  const url = new URL(Buffer.from(token, "base64url").toString());
  expect(url.host).toBe("kafka.eu-central-1.amazonaws.com");
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    Action: "kafka-cluster:Connect",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": expect.stringMatching(
      /^AKID\/\d{8}\/eu-central-1\/kafka-cluster\/aws4_request$/,
    ) as string,
    "X-Amz-Expires": "900",
    "X-Amz-Security-Token": "tok/en",
    "X-Amz-Signature": expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    "X-Amz-SignedHeaders": "host",
    "User-Agent": "cufflink",
  });
  expect(token).not.toContain("secret");
});

const folder = mkdtempSync(join(tmpdir(), "cufflink-kafka-tls-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
}

function file(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

function makeCertificates(): void {
  const days = ["-days", "2", "-nodes", "-newkey", "rsa:2048"];
  openssl(
    "req",
    "-x509",
    ...days,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-subj",
    "/CN=test authority",
  );
  for (const name of ["broker", "client"]) {
    openssl(
      "req",
      ...days.slice(2),
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
    );
    writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "names",
      "-out",
      `${name}.pem`,
    );
  }
  writeFileSync(join(folder, "store.pem"), `${file("broker.key")}${file("broker.pem")}`);
}

makeCertificates();
const ports = { sasl: await reservePort(), tls: await reservePort() };
const jaas = "org.apache.kafka.common.security";
const listener = "listener.name.sasl";

describeWith(
  "kafka",
  {
    own: true,
    moreListeners: {
      SASL: { protocol: "SASL_PLAINTEXT", address: `localhost:${ports.sasl}` },
      SECURE: { protocol: "SSL", address: `localhost:${ports.tls}` },
    },
    properties: {
      "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
      [`${listener}.plain.sasl.jaas.config`]: `${jaas}.plain.PlainLoginModule required user_shop="it's secret";`,
      [`${listener}.scram-sha-256.sasl.jaas.config`]: `${jaas}.scram.ScramLoginModule required;`,
      [`${listener}.scram-sha-512.sasl.jaas.config`]: `${jaas}.scram.ScramLoginModule required;`,
      [`${listener}.oauthbearer.sasl.jaas.config`]: `${jaas}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
      [`${listener}.oauthbearer.connections.max.reauth.ms`]: "3600000",
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": join(folder, "store.pem"),
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": join(folder, "ca.pem"),
      "listener.name.secure.ssl.client.auth": "required",
    },
  },
  (kafka) => {
    beforeAll(async () => {
      const admin = new Admin({ clientId: "test", bootstrapBrokers: kafka.brokers.split(",") });
      try {
        const [connection] = (await admin.connectToBrokers()).values();
        const salt = randomBytes(16);
        const upsertion = (mechanism: number, length: number, digest: string): object => ({
          name: "scrammer",
          mechanism,
          iterations: 4096,
          salt,
          saltedPassword: pbkdf2Sync("pencil", salt, 4096, length, digest),
        });
        const both = [upsertion(1, 32, "sha256"), upsertion(2, 64, "sha512")] as Parameters<
          typeof alterUserScramCredentialsV0.api.async
        >[2];
        // One request may name a user once.
        for (const one of both) await alterUserScramCredentialsV0.api.async(connection!, [], [one]);
      } finally {
        await admin.close();
      }
    }, 120_000);

    async function carries(properties: Record<string, string>): Promise<void> {
      const topic = uniqueName("secured");
      const component = await openComponent({
        topics: topic,
        publishTopic: topic,
        consumerGroup: topic,
        initialOffset: "oldest",
        ...properties,
      });
      await component.create("x");
      const read = await component.read();
      await until(() => read.texts.includes("x"));
    }

    const sasl = { brokers: `localhost:${ports.sasl}`, disableTls: "true" };

    test.each([
      ["PLAIN", { saslUsername: "shop", saslPassword: "it's secret" }],
      ["SHA-256", { saslUsername: "scrammer", saslPassword: "pencil" }],
      ["SHA-512", { saslUsername: "scrammer", saslPassword: "pencil" }],
    ])("authType password, mechanism %s", async (saslMechanism, credentials) => {
      await carries({ ...sasl, authType: "password", saslMechanism, ...credentials });
      const wrong = openComponent({
        ...sasl,
        authType: "password",
        saslMechanism,
        ...credentials,
        saslPassword: "guess",
      });
      await expect(wrong).rejects.toMatchObject({
        reason: "unauthenticated",
        effect: "unsent",
        message: expect.not.stringContaining("guess") as string,
      });
    });

    test("authType oidc takes a token by the client's secret, once", async () => {
      const issuer = await startIssuer();
      await carries({
        ...sasl,
        authType: "oidc",
        oidcTokenEndpoint: issuer.url,
        oidcClientID: "client-1",
        oidcClientSecret: "hush",
        oidcScopes: "openid,kafka",
      });
      expect(issuer.forms[0]).toEqual({
        grant_type: "client_credentials",
        client_id: "client-1",
        client_secret: "hush",
        scope: "openid kafka",
      });
      const refused = openComponent({
        ...sasl,
        authType: "oidc",
        oidcTokenEndpoint: `${issuer.url}/no`,
        oidcClientID: "c",
        oidcClientSecret: "hush",
      });
      await expect(refused).rejects.toMatchObject({
        reason: "unauthenticated",
        message: expect.stringMatching(/HTTP 401: invalid_client/) as string,
      });
    });

    test("authType oidc_private_key_jwt signs who it is", async () => {
      const issuer = await startIssuer();
      await carries({
        ...sasl,
        authType: "oidc_private_key_jwt",
        oidcTokenEndpoint: issuer.url,
        oidcClientID: "client-1",
        oidcClientAssertionKey: file("client.key"),
        oidcClientAssertionCert: file("client.pem"),
        oidcKid: "key-1",
        oidcAudience: "https://audience",
      });
      const form = issuer.forms[0];
      expect(form).toMatchObject({
        client_id: "client-1",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      });
      const { payload, protectedHeader } = await jwtVerify(
        form?.["client_assertion"] ?? "",
        createPublicKey(file("client.pem")),
        {
          audience: "https://audience",
          issuer: "client-1",
          subject: "client-1",
        },
      );
      expect(protectedHeader).toMatchObject({
        alg: "RS256",
        kid: "key-1",
        x5t: expect.any(String) as string,
      });
      expect(payload.jti).toBeTruthy();
    });

    test("authType entraid takes a token of Microsoft Entra ID, and anew before it ends", async () => {
      await using entra = await EntraServer.start({ clientId: "shop", secret: "hush" });
      entra.isUnsecured = true;
      const login = {
        ...sasl,
        ...{ authType: "entraid", azureTenantId: entra.tenant, azureClientId: "shop" },
        ...{ azureClientSecret: "hush", azureAuthorityHost: entra.url },
      };
      // The broker ends a session with its token, unless the client logs in again on the connection.
      entra.lifetime = 3;
      const topic = uniqueName("secured");
      const component = await openComponent({ ...login, publishTopic: topic });
      expect(entra.given).toMatchObject([
        { clientId: "shop", scope: "https://localhost/.default" },
      ]);
      await vi.waitFor(() => expect(entra.given).toHaveLength(2), { timeout: 20_000 });
      await component.create("x");
      await carries({ ...login, entraScope: "https://shop.example.com/.default" });
      expect(entra.given.at(-1)?.scope).toBe("https://shop.example.com/.default");
      entra.outage = { status: 503, body: "" };
      await expect(openComponent(login)).rejects.toMatchObject({
        ...{ reason: "unauthenticated", effect: "unsent" },
        message: expect.stringMatching(/tried client secret: no token from .*HTTP 503/) as string,
      });
    });

    test("authType mtls shows the client's certificate, and checks the broker's", async () => {
      const tls = { brokers: `localhost:${ports.tls}`, authType: "mtls" };
      const client = { clientCert: file("client.pem"), clientKey: file("client.key") };
      await carries({ ...tls, ...client, caCert: file("ca.pem") });
      await carries({ ...tls, ...client, skipVerify: "true", brokers: `127.0.0.1:${ports.tls}` });
      await expect(openComponent({ ...tls, ...client })).rejects.toMatchObject({
        message: expect.stringMatching(/certificate/) as string,
      });
      await expect(openComponent({ ...tls, caCert: file("ca.pem") })).rejects.toMatchObject({
        effect: "unsent",
      });
    });
  },
);

/** Issues tokens that a broker takes unless told to check signatures. */
async function startIssuer(): Promise<{ url: string; forms: Record<string, string>[] }> {
  const forms: Record<string, string>[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.url === "/token/no") {
        response.writeHead(401).end(JSON.stringify({ error: "invalid_client" }));
        return;
      }
      forms.push(Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())));
      const now = Math.floor(Date.now() / 1000);
      const part = (value: object): string =>
        Buffer.from(JSON.stringify(value)).toString("base64url");
      const token = `${part({ alg: "none" })}.${part({ sub: "client-1", iat: now, exp: now + 3600 })}.`;
      response.end(JSON.stringify({ access_token: token, token_type: "Bearer", expires_in: 3600 }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, forms };
}

import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { loadDriver } from "../../../src/drivers.ts";
import { needsEntraDriver, openEntra } from "../../../src/identity/azure/entra.ts";
import type { EntraSettings } from "../../../src/identity/azure/settings.ts";
import { EntraServer } from "../../servers/entra.ts";

const scope = "https://storage.azure.com/.default";
const clientId = "c7dd251f-811f-4ba2-a905-acd4d3f8f08b";
const driver = (name: string): unknown => loadDriver(name, "4.14.1", undefined);
const folder = mkdtempSync(join(tmpdir(), "cufflink-entra-"));
const path = (name: string): string => join(folder, name);
const openssl = (...args: string[]): void => {
  execFileSync("openssl", args, { stdio: "pipe", timeout: 20_000 });
};

beforeAll(() => {
  const [key, cert] = [path("key.pem"), path("cert.pem")];
  const rsa = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=shop", "-days", "2"];
  openssl(...rsa, "-keyout", key, "-out", cert);
  const pkcs12 = ["pkcs12", "-export", "-inkey", key, "-in", cert];
  openssl(...pkcs12, "-out", path("new.pfx"), "-passout", "pass:secret word");
  const old = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
  openssl(...pkcs12, ...old, "-out", path("old.pfx"), "-passout", "pass:");
  writeFileSync(path("both.pem"), readFileSync(cert, "utf8") + readFileSync(key, "utf8"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function open(entra: EntraServer, settings: EntraSettings, environment: NodeJS.ProcessEnv = {}) {
  const hidden: string[] = [];
  const opened = openEntra({
    settings: { azureAuthorityHost: entra.url, ...settings },
    ...{ driver, environment },
    hide: (secret) => hidden.push(secret),
  });
  return Object.assign(opened, { hidden });
}

describe("a client secret", () => {
  test("gives a token that is kept, and hidden as the secret is", async () => {
    await using entra = await EntraServer.start({ clientId, secret: "s3cret" });
    const settings = {
      azureTenantId: entra.tenant,
      azureClientId: clientId,
      azureClientSecret: "s3cret",
    };
    const opened = open(entra, settings);
    const [one, other] = await Promise.all([opened.token(scope), opened.token(scope)]);
    expect(one).toBe(other);
    expect(await opened.token(scope)).toBe(one);
    expect(entra.requests).toBe(1);
    expect(entra.knows(one, scope)).toBe(true);
    expect(opened.hidden).toEqual(["s3cret", one]);
    const vault = await opened.token("https://vault.azure.net/.default");
    expect(vault).not.toBe(one);
    opened.refused(one);
    expect(await opened.token(scope)).not.toBe(one);
  });

  test("that is wrong ends the chain, and the failure names what was tried", async () => {
    await using entra = await EntraServer.start({ clientId, secret: "s3cret" });
    const settings = {
      azureTenantId: entra.tenant,
      azureClientId: clientId,
      azureClientSecret: "wrong",
    };
    await expect(open(entra, settings).token(scope)).rejects.toMatchObject({
      reason: "unauthenticated",
      effect: "unsent",
      message: expect.stringMatching(
        /^no token of Microsoft Entra ID for https:\/\/storage\.azure\.com\/\.default; tried client secret: no token from 127\.0\.0\.1:\d+: HTTP 401: invalid_client \(AADSTS7000215\)$/,
      ) as unknown,
    });
  });

  test("renews the token while it is still good, and uses the old one if that fails", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      await using entra = await EntraServer.start({ clientId, secret: "s3cret" });
      const settings = {
        azureTenantId: entra.tenant,
        azureClientId: clientId,
        azureClientSecret: "s3cret",
      };
      const opened = open(entra, settings);
      const first = await opened.token(scope);
      vi.setSystemTime(Date.now() + 3400_000);
      entra.outage = { status: 503, body: "" };
      expect(await opened.token(scope)).toBe(first);
      await vi.waitFor(() => expect(entra.requests).toBe(2));
      entra.outage = undefined;
      expect(await opened.token(scope)).toBe(first);
      vi.setSystemTime(Date.now() + 31_000);
      expect(await opened.token(scope)).toBe(first);
      await vi.waitFor(async () => expect(await opened.token(scope)).not.toBe(first));
      expect(entra.requests).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });
});

test("a log-in that lasts gets a token with half of its life left, and the old one where there is none", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    await using entra = await EntraServer.start({ clientId, secret: "s3cret" });
    const client = { azureTenantId: entra.tenant, azureClientId: clientId };
    const opened = open(entra, { ...client, azureClientSecret: "s3cret" });
    const first = await opened.lastingToken(scope);
    vi.setSystemTime(Date.now() + 1_700_000);
    expect(await opened.lastingToken(scope)).toBe(first);
    vi.setSystemTime(Date.now() + 200_000);
    expect(await opened.token(scope)).toBe(first);
    entra.outage = { status: 503, body: "" };
    expect(await opened.lastingToken(scope)).toBe(first);
    entra.outage = undefined;
    const [one, other] = await Promise.all([
      opened.lastingToken(scope),
      opened.lastingToken(scope),
    ]);
    expect(one).not.toBe(first);
    expect(other).toBe(one);
    expect(entra.requests).toBe(3);
  } finally {
    vi.useRealTimers();
  }
});

describe("a certificate", () => {
  test.each([
    ["in PEM", () => ({ azureCertificate: readFileSync(path("both.pem"), "utf8") })],
    ["in a file of PEM", () => ({ azureCertificateFile: path("both.pem") })],
    [
      "in PKCS#12 with a password",
      () => ({
        azureCertificateFile: path("new.pfx"),
        azureCertificatePassword: "secret word",
      }),
    ],
    [
      "in PKCS#12 as older programs write it, in base64",
      () => ({ azureCertificate: readFileSync(path("old.pfx")).toString("base64") }),
    ],
  ])("%s proves the client", async (_how, given) => {
    const certificate = readFileSync(path("cert.pem"), "utf8");
    await using entra = await EntraServer.start({ clientId, certificate });
    const settings = { azureTenantId: entra.tenant, azureClientId: clientId, ...given() };
    const token = await open(entra, settings).token(scope);
    expect(entra.knows(token, scope)).toBe(true);
  });

  test.each([
    ["a wrong password", { file: "new.pfx", password: "wrong" }, /certificate is not valid: /],
    ["no file", { file: "none.pfx" }, /failed to read the certificate file .*none\.pfx/],
    ["a file that is none", { file: "key.pem" }, /certificate is not valid: /],
  ])("with %s is refused", async (_what, { file, password = "" }: Pfx, text) => {
    await using entra = await EntraServer.start({ clientId });
    const settings = {
      azureTenantId: entra.tenant,
      azureClientId: clientId,
      azureCertificateFile: path(file),
      azureCertificatePassword: password,
    };
    const asked = open(entra, settings).token(scope);
    await expect(asked).rejects.toThrow(text);
    await expect(asked).rejects.toMatchObject({ reason: "unauthenticated", effect: "unsent" });
    expect(entra.requests).toBe(0);
  });
});

type Pfx = { readonly file: string; readonly password?: string };

describe("the identity of the machine", () => {
  test("is that of a Kubernetes workload, whose token is read anew each time", async () => {
    await using entra = await EntraServer.start({ clientId, federated: "token of the pod" });
    const file = path("federated");
    writeFileSync(file, "an older one\n");
    const environment = {
      AZURE_TENANT_ID: entra.tenant,
      AZURE_CLIENT_ID: clientId,
      AZURE_FEDERATED_TOKEN_FILE: file,
      AZURE_AUTHORITY_HOST: `${entra.url}/`,
    };
    const opened = open(entra, { azureAuthorityHost: "" }, environment);
    await expect(opened.token(scope)).rejects.toThrow(/workload identity: .*AADSTS700027/);
    writeFileSync(file, "token of the pod\n");
    expect(entra.knows(await opened.token(scope))).toBe(true);
    expect(opened.hidden).toContain("token of the pod");
  });

  test("is a managed one of the service that runs it", async () => {
    await using entra = await EntraServer.start();
    const asked: (string | undefined)[] = [];
    const service = createServer((request, response) => {
      asked.push(request.url, request.headers["x-identity-header"] as string);
      const expires_on = String(Math.floor(Date.now() / 1000) + 3600);
      const token = {
        access_token: "managed token",
        expires_on,
        resource: "",
        token_type: "Bearer",
      };
      response.setHeader("content-type", "application/json").end(JSON.stringify(token));
    });
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    const { port } = service.address() as AddressInfo;
    vi.stubEnv("IDENTITY_ENDPOINT", `http://127.0.0.1:${port}/msi/token`);
    vi.stubEnv("IDENTITY_HEADER", "header of the service");
    try {
      const opened = open(entra, { azureAuthMethods: ["mi"], azureClientId: clientId });
      expect(await opened.token(scope)).toBe("managed token");
      expect(opened.hidden).toEqual(["managed token"]);
      expect(asked[0]).toContain("resource=https%3A%2F%2Fstorage.azure.com");
      expect(asked[0]).toContain(clientId);
      expect(asked[1]).toBe("header of the service");
    } finally {
      vi.unstubAllEnvs();
      service.close();
    }
  });

  test("is that of the Azure CLI", async () => {
    const bin = mkdtempSync(join(folder, "bin-"));
    const expires = Math.floor(Date.now() / 1000) + 3600;
    const answer = JSON.stringify({ accessToken: "token of the CLI", expires_on: expires });
    writeFileSync(join(bin, "az"), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
    vi.stubEnv("PATH", `${bin}${delimiter}${process.env["PATH"]}`);
    await using entra = await EntraServer.start();
    try {
      const opened = open(entra, { azureAuthMethods: ["cli"] });
      expect(await opened.token(scope)).toBe("token of the CLI");
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("that is nowhere is a failure that names each way", async () => {
    await using entra = await EntraServer.start();
    const service = createServer((_request, response) => response.writeHead(404).end("{}"));
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    const { port } = service.address() as AddressInfo;
    vi.stubEnv("AZURE_POD_IDENTITY_AUTHORITY_HOST", `http://127.0.0.1:${port}`);
    vi.stubEnv("PATH", folder);
    try {
      await expect(open(entra, {}).token(scope)).rejects.toMatchObject({
        reason: "unauthenticated",
        effect: "unsent",
        message: expect.stringMatching(
          /tried client secret: azureTenantId, azureClientId, azureClientSecret are not set; certificate: azureTenantId, azureClientId, azureCertificate are not set; workload identity: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are not set; managed identity: .+; Azure CLI: .+/,
        ) as unknown,
      });
    } finally {
      vi.unstubAllEnvs();
      service.close();
    }
  });

  test("without its driver says how to install it", async () => {
    await using entra = await EntraServer.start();
    const opened = openEntra({
      settings: { azureAuthorityHost: entra.url, azureAuthMethods: ["mi"] },
      driver: (name) => {
        throw new Error(`the driver ${name} is not installed; run: npm install`);
      },
      hide: undefined,
      environment: {},
    });
    await expect(opened.token(scope)).rejects.toThrow(
      "tried managed identity: the driver @azure/identity is not installed; run: npm install",
    );
  });
});

describe("settings", () => {
  const given = { azureTenantId: "t", azureClientId: "c", azureClientSecret: "s" };

  test.each<[EntraSettings, string]>([
    [{ azureEnvironment: "AzureGermany" }, "invalid Azure cloud: AzureGermany"],
    [{ azureAuthMethods: ["Password"] }, "invalid Azure auth method: password"],
    [
      { azureAuthMethods: ["None"] },
      "all Azure auth methods have been disabled with auth method 'None'",
    ],
    [{ azureAuthMethods: ["spiffe"] }, "spiffeworkloadidentity is not supported"],
    [{ azureAuthorityHost: "http://login.example.com" }, "must begin with https://"],
    [{ ...given, azureTenantId: "../x" }, "azureTenantId may have letters"],
  ])("%j are refused", (settings, text) => {
    expect(() => openEntra({ settings, driver, hide: undefined, environment: {} })).toThrow(text);
  });

  test("say whether the library is needed", () => {
    expect(needsEntraDriver(given)).toBe(false);
    expect(needsEntraDriver({ ...given, azureClientSecret: "" })).toBe(true);
    expect(needsEntraDriver({ azureAuthMethods: ["wi"] })).toBe(false);
    expect(needsEntraDriver({ azureAuthMethods: ["mi", "creds"], ...given })).toBe(true);
  });
});

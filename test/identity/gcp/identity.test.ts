import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verify } from "node:crypto";
import { JWTAccess } from "google-auth-library";
import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { loadDriver } from "../../../src/drivers.ts";
import { Identity, needsLibrary, type Credentials } from "../../../src/identity/gcp/identity.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { startLoopback, type Responder } from "../../bindings/http/loopback-server.ts";
import { accountEmail, accountFields, accountKey } from "./key.ts";

const folder = mkdtempSync(join(tmpdir(), "cufflink-gcp-identity-"));
afterAll(() => rmSync(folder, { recursive: true }));

const scopes = ["https://www.googleapis.com/auth/pubsub", "https://www.googleapis.com/auth/iam"];
const nowhere = { CLOUDSDK_CONFIG: join(folder, "none"), NO_GCE_CHECK: "true" };
let files = 0;

async function opened(credentials: Credentials, environment: NodeJS.ProcessEnv = nowhere) {
  const hidden: string[] = [];
  const identity = await Identity.open(
    {
      ...{ credentials, scopes, environment },
      memory: new MemoryBudget().share("test"),
      hide: (secret) => hidden.push(secret),
      driver: (name) => createRequire(import.meta.filename)(name) as unknown,
    },
    AbortSignal.timeout(10_000),
  );
  onTestFinished(() => identity[Symbol.asyncDispose]());
  return { identity, hidden, token: () => identity.token(AbortSignal.timeout(10_000)) };
}

async function server(respond: Responder) {
  const started = await startLoopback(respond);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

const answering =
  (answer: unknown, status = 200, headers: Record<string, string> = {}): Responder =>
  (_, response) =>
    void response.writeHead(status, headers).end(JSON.stringify(answer));

function file(content: unknown): string {
  const path = join(folder, `${files++}.json`);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const named = (content: unknown) => ({
  ...nowhere,
  GOOGLE_APPLICATION_CREDENTIALS: file(content),
});

const keyFile = {
  type: "service_account",
  private_key_id: "key-1",
  private_key: accountKey.privateKey,
  client_email: accountEmail,
  token_uri: "https://oauth2.googleapis.com/token",
};

test("signs its own tokens, as Google's library does", async () => {
  const { token, hidden, identity } = await opened(accountFields);
  const jwt = await token();
  const theirs = new JWTAccess(accountEmail, accountKey.privateKey, "key-1").getRequestHeaders(
    undefined,
    undefined,
    scopes,
  );
  const expected = (theirs.get("authorization") ?? "").replace("Bearer ", "");
  expect(decodeProtectedHeader(jwt)).toEqual(decodeProtectedHeader(expected));
  const time = expect.any(Number) as number;
  expect(decodeJwt(jwt)).toEqual({ ...decodeJwt(expected), iat: time, exp: time });
  await jwtVerify(jwt, accountKey.publicKey);
  expect(hidden).toContain(jwt);
  expect(await token()).toBe(jwt);
  expect(await identity.headers(AbortSignal.timeout(1000))).toEqual({
    authorization: `Bearer ${jwt}`,
  });
});

test("line ends of the key may be written out", async () => {
  const privateKey = accountFields.privateKey.replaceAll("\n", String.raw`\n`);
  const { token } = await opened({ ...accountFields, privateKey });
  const { payload } = await jwtVerify(await token(), accountKey.publicKey);
  expect(payload.iss).toBe(accountEmail);
});

test("exchanges a signed JWT at a token server of its own", async () => {
  const tokens = await server(answering({ access_token: "token-1", expires_in: 3600 }));
  const tokenURI = `${tokens.url}/token`;
  const { token, hidden } = await opened({ ...accountFields, tokenURI });
  expect(await token()).toBe("token-1");
  const form = new URLSearchParams(tokens.received[0]?.body.toString());
  expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
  const { payload } = await jwtVerify(form.get("assertion") ?? "", accountKey.publicKey);
  expect(payload).toMatchObject({ iss: accountEmail, aud: tokenURI, scope: scopes.join(" ") });
  expect(hidden).toEqual([form.get("assertion"), "token-1"]);
  expect(tokens.received).toHaveLength(1);
});

test("a token that the server of the API has refused is not given again", async () => {
  let count = 0;
  const tokens = await server((_, response) =>
    response.end(JSON.stringify({ access_token: `token-${++count}`, expires_in: 3600 })),
  );
  const { identity, token } = await opened({ ...accountFields, tokenURI: `${tokens.url}/token` });
  const first = await identity.headers(AbortSignal.timeout(1000));
  identity.refused(first);
  identity.refused(first);
  expect(await token()).toBe("token-2");
  identity.refused(first);
  expect(await token()).toBe("token-2");
});

test("reads the key file that the environment names", async () => {
  const { token, identity, hidden } = await opened({}, named(keyFile));
  expect(decodeJwt(await token()).iss).toBe(accountEmail);
  expect(identity.described).toMatch(/^service account orders@.* in \/.*\.json$/);
  expect(await identity.email(AbortSignal.timeout(1000))).toBe(accountEmail);
  const signature = await identity.sign("text", AbortSignal.timeout(1000));
  expect(verify("sha256", Buffer.from("text"), accountKey.publicKey, signature)).toBe(true);
  expect(hidden).toContain(accountKey.privateKey);
});

test("uses the log-in of gcloud, with the project that is billed for it", async () => {
  const tokens = await server(answering({ access_token: "user-token", expires_in: 3599 }));
  const CLOUDSDK_CONFIG = mkdtempSync(join(folder, "gcloud-"));
  const login = {
    ...{ type: "authorized_user", client_id: "id", client_secret: "hush", refresh_token: "again" },
    ...{ quota_project_id: "billed", token_uri: `${tokens.url}/token` },
  };
  const path = join(CLOUDSDK_CONFIG, "application_default_credentials.json");
  writeFileSync(path, JSON.stringify(login));
  const { identity, hidden } = await opened({}, { ...nowhere, CLOUDSDK_CONFIG });
  expect(await identity.headers(AbortSignal.timeout(1000))).toEqual({
    authorization: "Bearer user-token",
    "x-goog-user-project": "billed",
  });
  expect(tokens.received[0]?.body.toString()).toBe(
    "grant_type=refresh_token&client_id=id&client_secret=hush&refresh_token=again",
  );
  expect(hidden).toEqual(["hush", "again", "user-token"]);
  await expect(identity.sign("x", AbortSignal.timeout(1000))).rejects.toThrow(
    /is no service account/,
  );
});

test("asks the metadata server last", async () => {
  const machine = await server(({ url }, response) => {
    response.setHeader("metadata-flavor", "Google");
    if (url?.endsWith("/email")) response.end("machine@my-project.iam.gserviceaccount.com");
    else response.end(JSON.stringify({ access_token: "machine-token", expires_in: 300 }));
  });
  const host = `127.0.0.1:${machine.port}`;
  const environment = { CLOUDSDK_CONFIG: nowhere.CLOUDSDK_CONFIG, GCE_METADATA_HOST: host };
  const { token, identity } = await opened({}, environment);
  expect(await token()).toBe("machine-token");
  expect(await identity.email(AbortSignal.timeout(1000))).toMatch(/^machine@/);
  expect(machine.received[0]).toMatchObject({
    url: `/computeMetadata/v1/instance/service-accounts/default/token?scopes=${encodeURIComponent(scopes.join(","))}`,
    headers: { "metadata-flavor": "Google" },
  });
});

test("is impersonated as another service account", async () => {
  const api = await server((received, response) => {
    const answer =
      received.url === "/token"
        ? { access_token: "own", expires_in: 3600 }
        : { accessToken: "other", expireTime: new Date(Date.now() + 3_600_000).toISOString() };
    response.end(JSON.stringify(answer));
  });
  const path = `/v1/projects/-/serviceAccounts/other@x.iam.gserviceaccount.com:generateAccessToken`;
  const { token, identity } = await opened(
    {},
    named({
      type: "impersonated_service_account",
      service_account_impersonation_url: `${api.url}${path}`,
      source_credentials: { ...keyFile, token_uri: `${api.url}/token` },
    }),
  );
  expect(await token()).toBe("other");
  expect(await identity.email(AbortSignal.timeout(1000))).toBe("other@x.iam.gserviceaccount.com");
  expect(api.received[1]).toMatchObject({ url: path, headers: { authorization: "Bearer own" } });
  expect(JSON.parse(api.received[1]?.body.toString() ?? "")).toEqual({
    ...{ scope: scopes, delegates: [], lifetime: "3600s" },
  });
});

test("federates the identity of a workload by Google's library", async () => {
  const sts = await server(answering({ access_token: "federated", expires_in: 3600 }));
  const environment = named({
    type: "external_account",
    audience:
      "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `${sts.url}/v1/token`,
    credential_source: { file: file("subject-token") },
  });
  const { token } = await opened({}, environment);
  expect(await token()).toBe("federated");
  const form = new URLSearchParams(sts.received[0]?.body.toString());
  expect(form.get("subject_token")).toBe("subject-token");
  expect(form.get("scope")).toBe(scopes.join(" "));
  expect(needsLibrary({}, environment)).toBe(true);
  expect(needsLibrary(accountFields, environment)).toBe(false);
  expect(needsLibrary({}, named(keyFile))).toBe(false);
  expect(needsLibrary({}, { ...nowhere, GOOGLE_APPLICATION_CREDENTIALS: "/none" })).toBe(false);
});

test.each<[string, Credentials, () => NodeJS.ProcessEnv, RegExp]>([
  [
    "nothing at all",
    {},
    () => nowhere,
    /^no credentials of Google's cloud: the metadata has no privateKeyID; GOOGLE_APPLICATION_CREDENTIALS is not set; there is no file .*none\/application_default_credentials.json \(gcloud .*\); the metadata server is not asked \(NO_GCE_CHECK\)$/,
  ],
  [
    "no metadata server",
    {},
    () => ({ CLOUDSDK_CONFIG: nowhere.CLOUDSDK_CONFIG, GCE_METADATA_HOST: "127.0.0.1:1" }),
    /the service account of the machine \(metadata server 127.0.0.1:1\): connect ECONNREFUSED/,
  ],
  [
    "a file that is not there",
    {},
    () => ({ ...nowhere, GOOGLE_APPLICATION_CREDENTIALS: "/none.json" }),
    /no privateKeyID; GOOGLE_APPLICATION_CREDENTIALS: there is no file \/none.json$/,
  ],
  ["a file without JSON", {}, () => named("{"), /GOOGLE_APPLICATION_CREDENTIALS: .*is no JSON$/],
  [
    "an unknown type",
    {},
    () => named({ type: "gdch" }),
    /are of the type gdch, which is not known/,
  ],
  [
    "a key file without key",
    {},
    () => named({ ...keyFile, private_key: "" }),
    /have no private_key/,
  ],
  [
    "a key that is none",
    { ...accountFields, privateKey: "hush-hush" },
    () => nowhere,
    /^the private key of the service account orders@\S+ of the metadata cannot be read: /,
  ],
  [
    "fields that are missing",
    { privateKeyID: "1" },
    () => nowhere,
    /^the metadata has privateKeyID without privateKey and clientEmail$/,
  ],
  [
    "another type",
    { ...accountFields, type: "authorized_user" },
    () => nowhere,
    /type is authorized_user; with privateKeyID it is service_account/,
  ],
])("%s is told", async (_title, credentials, environment, message) => {
  const failure = await opened(credentials, environment()).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    effect: "unsent",
    message: expect.stringMatching(message) as string,
  });
  expect(String(failure)).not.toContain("hush");
});

test("a library that is not installed is what no repetition helps against", async () => {
  const environment = named({ type: "external_account" });
  const opening = Identity.open(
    {
      ...{ credentials: {}, scopes, environment, hide: undefined },
      memory: new MemoryBudget().share("test"),
      driver: (name) => loadDriver(name, "99.0.0", undefined),
    },
    AbortSignal.timeout(10_000),
  );
  await expect(opening).rejects.toMatchObject({
    reason: "invalid_argument",
    message: expect.stringMatching(/npm install google-auth-library@99.0.0$/) as string,
  });
});

test("what a token server says is told, and a metadata server that is none", async () => {
  const refusing = await server(
    answering({ error: "invalid_grant", error_description: "Invalid JWT Signature." }, 400),
  );
  await expect(opened({ ...accountFields, tokenURI: `${refusing.url}/token` })).rejects.toThrow(
    `no token for the service account ${accountEmail} of the metadata: ${refusing.url} answered HTTP 400 invalid_grant: Invalid JWT Signature.`,
  );
  const other = await server(answering({}));
  const environment = {
    CLOUDSDK_CONFIG: nowhere.CLOUDSDK_CONFIG,
    GCE_METADATA_HOST: `127.0.0.1:${other.port}`,
  };
  await expect(opened({}, environment)).rejects.toThrow(/what answers there is no metadata server/);
});

test("a redirect of a token server is not followed elsewhere", async () => {
  const elsewhere = await server(answering({ access_token: "stolen" }));
  const tokens = await server(
    (_, response) => void response.writeHead(307, { location: `${elsewhere.url}/token` }).end(),
  );
  await expect(opened({ ...accountFields, tokenURI: `${tokens.url}/token` })).rejects.toThrow(
    /another origin/,
  );
  expect(elsewhere.received).toHaveLength(0);
});

test("a log-in that is away does not disturb while the old token is good", async () => {
  let count = 0;
  let isAway = false;
  const tokens = await server((_, response) => {
    if (isAway) response.writeHead(503).end();
    else response.end(JSON.stringify({ access_token: `token-${++count}`, expires_in: 3600 }));
  });
  const { token } = await opened({ ...accountFields, tokenURI: `${tokens.url}/token` });
  const start = Date.now();
  const clock = vi.spyOn(Date, "now");
  onTestFinished(() => clock.mockRestore());
  expect(await token()).toBe("token-1");
  isAway = true;
  clock.mockReturnValue(start + 3_400_000);
  expect(await token()).toBe("token-1");
  await vi.waitFor(() => expect(tokens.received).toHaveLength(2));
  isAway = false;
  clock.mockReturnValue(start + 3_450_000);
  await vi.waitFor(async () => expect(await token()).toBe("token-2"));
  clock.mockReturnValue(start + 3_450_000 + 3_595_000);
  isAway = true;
  await expect(token()).rejects.toMatchObject({ reason: "unauthenticated", effect: "unsent" });
});

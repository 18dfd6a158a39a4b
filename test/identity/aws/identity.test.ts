import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadDriver } from "../../../src/drivers.ts";
import {
  AwsIdentity,
  chainDriverVersions,
  needsDriver,
} from "../../../src/identity/aws/identity.ts";
import type { AwsLogin } from "../../../src/identity/aws/identity.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";

type Seen = { url: string; body: string; authorization: string };
type Answer = { status?: number; body: string };

let folder: string;
const hidden: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cufflink-aws-"));
  hidden.length = 0;
  for (const name of Object.keys(process.env))
    if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  // Nothing of this machine counts.
  vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "credentials"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

function identity(login: AwsLogin = {}): AwsIdentity {
  return new AwsIdentity({
    login,
    region: "eu-central-1",
    memory: new MemoryBudget().share("test"),
    driver: (name) =>
      loadDriver(name, chainDriverVersions["@aws-sdk/credential-providers"], undefined),
    hide: (secret) => hidden.push(secret),
  });
}

async function serve(
  answer: (seen: Seen) => Answer,
): Promise<AsyncDisposable & { url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const one = {
        url: request.url ?? "",
        body,
        authorization: request.headers.authorization ?? "",
      };
      seen.push(one);
      const { status = 200, body: text } = answer(one);
      response.writeHead(status).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    seen,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function role(action: string, key: string, inSeconds = 3600): Answer {
  const expiration = new Date(Date.now() + inSeconds * 1000).toISOString();
  return {
    body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials><AccessKeyId>${key}</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>${expiration}</Expiration></Credentials></${action}Result></${action}Response>`,
  };
}

test("the keys of the metadata come before all, and the library is not asked for", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "other");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "other");
  const login = { accessKey: "AKID", secretKey: "secret", sessionToken: "token" };
  expect(needsDriver(login)).toBe(false);
  await using own = identity(login);
  const credentials = await own.credentials();
  expect(credentials).toEqual({
    accessKeyId: "AKID",
    secretAccessKey: "secret",
    sessionToken: "token",
  });
  expect(own.refuse(credentials)).toBe(false);
});

test("the environment's keys need no library either", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDENV");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "env-secret");
  expect(needsDriver({})).toBe(false);
  await using own = identity();
  expect((await own.credentials()).accessKeyId).toBe("AKIDENV");
  expect(hidden).toContain("env-secret");
});

test("a profile's keys, its program, and a role of another profile", async () => {
  await using sts = await serve(() => role("AssumeRole", "AKIDROLE"));
  vi.stubEnv("AWS_ENDPOINT_URL_STS", sts.url);
  const program = `${process.execPath} -e "console.log(JSON.stringify({Version:1,AccessKeyId:'AKIDPROGRAM',SecretAccessKey:'program-secret'}))"`;
  await writeFile(
    join(folder, "config"),
    `[profile program]\ncredential_process = ${program}\n[profile role]\nrole_arn = arn:aws:iam::123456789012:role/shop\nsource_profile = keys\n`,
  );
  await writeFile(
    join(folder, "credentials"),
    "[keys]\naws_access_key_id = AKIDFILE\naws_secret_access_key = file-secret\n",
  );
  for (const [profile, key] of [
    ["keys", "AKIDFILE"],
    ["program", "AKIDPROGRAM"],
    ["role", "AKIDROLE"],
  ] as const) {
    vi.stubEnv("AWS_PROFILE", profile);
    await using own = identity();
    expect((await own.credentials()).accessKeyId).toBe(key);
  }
  expect(sts.seen[0]?.authorization).toContain("Credential=AKIDFILE/");
  expect(hidden).toContain("role-token");
});

test("a web identity is exchanged for a role, its token read anew for each renewal", async () => {
  let end = 3600;
  await using sts = await serve(() => role("AssumeRoleWithWebIdentity", "AKIDWEB", end));
  vi.stubEnv("AWS_ENDPOINT_URL_STS", sts.url);
  vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", join(folder, "token"));
  vi.stubEnv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/shop");
  await writeFile(join(folder, "token"), "first-token\n");
  await using own = identity();
  end = 10;
  expect((await own.credentials()).accessKeyId).toBe("AKIDWEB");
  await writeFile(join(folder, "token"), "second-token\n");
  await own.credentials();
  const tokens = sts.seen.map(({ body }) => new URLSearchParams(body).get("WebIdentityToken"));
  expect(tokens).toEqual(["first-token", "second-token"]);
  expect(sts.seen[0]?.authorization).toBe("");
  expect(hidden).toContain("first-token");
});

test("the metadata of a container", async () => {
  await using agent = await serve(() => ({
    body: JSON.stringify({
      AccessKeyId: "AKIDTASK",
      SecretAccessKey: "task-secret",
      Token: "task-token",
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    }),
  }));
  vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", `${agent.url}/credentials`);
  await using own = identity();
  expect((await own.credentials()).accessKeyId).toBe("AKIDTASK");
});

test("the metadata of an instance", async () => {
  await using service = await serve(({ url }) => {
    if (url.endsWith("/api/token")) return { body: "imds-token" };
    if (url.endsWith("/security-credentials/")) return { body: "the-role" };
    return {
      body: JSON.stringify({
        Code: "Success",
        AccessKeyId: "AKIDINSTANCE",
        SecretAccessKey: "instance-secret",
        Token: "instance-token",
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    };
  });
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", undefined);
  vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url);
  await using own = identity();
  expect((await own.credentials()).accessKeyId).toBe("AKIDINSTANCE");
});

test("a failure names each link that was tried, and why it gave nothing", async () => {
  await using own = identity();
  await expect(own.credentials()).rejects.toMatchObject({
    reason: "unauthenticated",
    effect: "unsent",
    message: expect.stringMatching(
      /^no AWS credentials; tried environment: AWS_ACCESS_KEY_ID and .*; web identity: AWS_WEB_IDENTITY_TOKEN_FILE and .*; profile default: .*; program of the profile: .*; instance metadata: AWS_EC2_METADATA_DISABLED is true$/,
    ) as string,
  });
});

test("without the library the failure has the command that installs it", async () => {
  await using own = new AwsIdentity({
    login: {},
    region: "eu-central-1",
    memory: new MemoryBudget().share("test"),
    driver: () => loadDriver("@aws-sdk/none-of-these", "3.0.0", undefined),
  });
  await expect(own.credentials()).rejects.toThrow("npm install @aws-sdk/none-of-these@3.0.0");
});

test("a role that may not be assumed is told with the service's own word, and nothing behind it is tried", async () => {
  await using sts = await serve(() => ({
    status: 403,
    body: "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>",
  }));
  vi.stubEnv("AWS_ENDPOINT_URL_STS", sts.url);
  await using own = identity({
    accessKey: "AKID",
    secretKey: "secret",
    assumeRoleArn: "arn:aws:iam::123456789012:role/shop",
  });
  await expect(own.credentials()).rejects.toMatchObject({
    reason: "unauthenticated",
    message:
      "the role arn:aws:iam::123456789012:role/shop could not be assumed: AccessDenied: not you",
  });
});

test("temporary credentials are renewed once, ahead of their end, while the old ones serve", async () => {
  let asked = 0;
  await using sts = await serve(() =>
    role("AssumeRole", `AKID${++asked}`, asked === 1 ? 200 : 3600),
  );
  vi.stubEnv("AWS_ENDPOINT_URL_STS", sts.url);
  await using own = identity({
    accessKey: "AKID",
    secretKey: "secret",
    assumeRoleArn: "arn:aws:iam::123456789012:role/shop",
    sessionName: "orders",
  });
  const all = await Promise.all([own.credentials(), own.credentials()]);
  expect(all.map(({ accessKeyId }) => accessKeyId)).toEqual(["AKID1", "AKID1"]);
  expect(new URLSearchParams(sts.seen[0]?.body).get("RoleSessionName")).toBe("orders");
  // Within five minutes of its end, but not tried again in the first ten seconds.
  expect((await own.credentials()).accessKeyId).toBe("AKID1");
  expect(asked).toBe(1);
  vi.useFakeTimers({ now: Date.now() + 11_000, toFake: ["Date"] });
  expect((await own.credentials()).accessKeyId).toBe("AKID1");
  await vi.waitFor(async () => expect((await own.credentials()).accessKeyId).toBe("AKID2"));
  expect(asked).toBe(2);
});

import { expect, onTestFinished, test } from "vitest";
import secretManager from "../../src/secret-stores/gcp.secretmanager/index.ts";
import { accountFields } from "../identity/gcp/key.ts";
import { brief, component, folder, load } from "../resources/folder.ts";
import { SecretManagerServer } from "../servers/secret-manager.ts";
import { openStore } from "./open.ts";

async function start() {
  const server = await SecretManagerServer.start();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const own = {
    ...{ projectID: "shop", endpoint: server.url, tokenURI: `${server.url}/token` },
    ...accountFields,
  };
  return { server, own };
}

test("a secret in its newest version, an empty one, and none, with one token for all", async () => {
  const { server, own } = await start();
  server.secrets.set("db", Buffer.from("grün\n"));
  server.secrets.set("empty", Buffer.alloc(0));
  const { read } = openStore(secretManager, own);
  expect(await read("db")).toEqual({ db: "grün\n" });
  server.secrets.set("db", Buffer.from("newer"));
  expect(await read("db")).toEqual({ db: "newer" });
  expect(await read("empty")).toEqual({ empty: "" });
  expect(await read("gone")).toBeUndefined();
  expect(server.tokenRequests).toBe(1);
});

test("Dapr's names of the fields are taken", async () => {
  const { server } = await start();
  server.secrets.set("db", Buffer.from("x"));
  const { read } = openStore(secretManager, {
    ...{ project_id: "shop", endpoint: server.url, token_uri: `${server.url}/token` },
    ...{ type: "service_account", private_key_id: accountFields.privateKeyID },
    ...{ private_key: accountFields.privateKey, client_email: accountFields.clientEmail },
  });
  expect(await read("db")).toEqual({ db: "x" });
});

test("refusals in Google's words, without the token", async () => {
  const { server, own } = await start();
  const { read } = openStore(secretManager, own);
  server.failures.set("disabled", [400, "FAILED_PRECONDITION"]);
  server.failures.set("denied", [403, "PERMISSION_DENIED"]);
  const refusal = (name: string) => read(name).catch((thrown: unknown) => thrown);
  expect(await refusal("denied")).toMatchObject({
    reason: "permission_denied",
    message:
      'Secret Manager, asked for the secret "denied", answered 403: PERMISSION_DENIED: about denied',
  });
  expect(await refusal("disabled")).toMatchObject({
    message: expect.stringContaining("answered 400: FAILED_PRECONDITION") as string,
  });
  server.tokens.clear();
  const refused = String(await refusal("db"));
  expect(refused).toContain("answered 401: UNAUTHENTICATED");
  expect(refused).not.toContain("canary");
  // The next asks for another token.
  expect(await read("db")).toBeUndefined();
});

test.each([
  [429, "RESOURCE_EXHAUSTED", "resource_exhausted"],
  [503, "UNAVAILABLE", "unavailable"],
])("%i is told as %s", async (status, name, reason) => {
  const { server, own } = await start();
  server.failures.set("db", [status, name]);
  const { read } = openStore(secretManager, own);
  await expect(read("db")).rejects.toMatchObject({ reason, systemCode: String(status) });
});

test.each(["a/b", "..", "", "a?b", "a%2Fb", "a\r\nb", "x".repeat(256)])(
  "%j names no secret, and nothing is asked",
  async (name) => {
    const { server, own } = await start();
    const { read } = openStore(secretManager, own);
    server.secrets.set("a", Buffer.from("x"));
    await expect(read(name)).rejects.toMatchObject({ reason: "invalid_argument" });
  },
);

test("a log-in that fails names what was tried, and no secret", async () => {
  const { server, own } = await start();
  const { read } = openStore(secretManager, { ...own, tokenURI: `${server.url}/nowhere` });
  const error: unknown = await read("db").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason: "unauthenticated" });
  expect(String(error)).toContain("no token for the service account orders@");
  expect(String(error)).not.toContain("PRIVATE KEY");
});

test("without TLS no default credentials are shown", async () => {
  const { server } = await start();
  const own = { projectID: "shop", endpoint: server.url };
  const env = { GOOGLE_APPLICATION_CREDENTIALS: "/nowhere/key.json" };
  const { read } = openStore(secretManager, own, { env });
  await expect(read("db")).rejects.toThrow("answered 401");
});

test("mistakes of the metadata are found at their lines", async () => {
  const found = async (...metadata: string[]) => {
    const text = metadata.join("\n    ");
    const path = folder({ "a.yaml": component("v", "secretstores.gcp.secretmanager", text) });
    return brief((await load(path)).problems, path);
  };
  expect(await found('- {name: projectID, value: "shop/x"}')).toEqual([
    expect.stringMatching(/^a\.yaml:8:\d+ error: projectID must be the id of a project/),
  ]);
  expect(await found('- {name: projectID, value: "example.com:shop-1"}')).toEqual([]);
  expect(await found('- {name: type, value: "service_account"}')).toEqual([
    expect.stringContaining('property "projectID" is required'),
  ]);
});

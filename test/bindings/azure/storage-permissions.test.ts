import { expect, test } from "vitest";
import blobStorage from "../../../src/bindings/azure/azure.blobstorage/index.ts";
import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import {
  storagePermissions,
  whatToGrant,
} from "../../../src/bindings/azure/storage-permissions.ts";
import { openOutput } from "../opened-output.ts";
import { queueProperties } from "./queue-source.ts";
import { fakeStorage, refusal } from "./fake-storage.ts";

const signature = "SharedAccessSignature=sv=2021-12-02&sig=c2ln";

const blob = { blobName: "a" };
test.each<[string, Record<string, string>, string]>([
  ["create", blob, "w (c for new blobs)"],
  ["get", blob, "r"],
  ["delete", blob, "d"],
  ["list", {}, "l"],
])("%s: a signature that does not allow it is told what it lacks", async (...all) => {
  const [operation, request, letters] = all;
  const server = await fakeStorage(() => ({
    ...{ status: 403, body: refusal("AuthorizationPermissionMismatch") },
  }));
  const connectionString = `BlobEndpoint=${server.url};${signature}`;
  const at = {
    connectionString,

    containerName: "orders",
    queueName: "orders",
  };
  await using output = await openOutput(blobStorage, at);
  await expect(output.invoke(operation, request, { data: "{}" })).rejects.toMatchObject({
    ...{ reason: "permission_denied", systemCode: "AuthorizationPermissionMismatch" },
    message: expect.stringMatching(
      `the shared access signature needs the permission ${letters.replace(/[()]/g, String.raw`\$&`)}$`,
    ),
  });
});

test("an identity lacks a role, and a message says which", () => {
  const login = { entra: "logs in" };
  expect(whatToGrant(login, storagePermissions.sendMessage)).toBe(
    "assign the role Storage Queue Data Message Sender to the component's identity",
  );
  expect(whatToGrant(login, undefined)).toBeUndefined();
});

test("sending with a key that is refused leads to the account's settings", async () => {
  const server = await fakeStorage((method) => ({
    ...(method === "PUT"
      ? { status: 201 }
      : { status: 403, body: refusal("AuthorizationFailure") }),
  }));
  await using output = await openOutput(storageQueues, queueProperties(server, "orders"));
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toThrow("network rules");
});

test("a key that is refused is the account's own setting, and a wrong one is said as it was", async () => {
  const codes = ["AuthorizationFailure", "AuthenticationFailed"];
  const server = await fakeStorage((method) =>
    method === "PUT" ? { status: 201 } : { status: 403, body: refusal(codes.shift() ?? "") },
  );
  const login = { accountName: "shop", accountKey: "c2VjcmV0", endpoint: server.url };
  await using output = await openOutput(blobStorage, { ...login, containerName: "orders" });
  await expect(output.invoke("get", blob)).rejects.toThrow("look at the account's network rules");
  await expect(output.invoke("get", blob)).rejects.toThrow(/Refused\.$/);
});

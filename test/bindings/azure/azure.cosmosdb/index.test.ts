import { createHmac } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import cosmosdb from "../../../../src/bindings/azure/azure.cosmosdb/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { startLoopback } from "../../http/loopback-server.ts";
import type { Responder } from "../../http/loopback-server.ts";
import { openOutput } from "../../opened-output.ts";
import { makeContainer, masterKey, order } from "./container.ts";

const place = { database: "shop & co", collection: "Orders", partitionKey: "customer.id" };

async function serve(respond: Responder, properties: Record<string, string> = { masterKey }) {
  const server = await startLoopback(respond);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const open = () => openOutput(cosmosdb, { url: server.url, ...place, ...properties });
  return { server, open };
}

/** Answers a read of the container, and a document with this status and body. */
const answering =
  (status: number, body = "", headers: Record<string, string> = {}): Responder =>
  ({ method }, response) =>
    void (method === "GET" ? response.end("{}") : response.writeHead(status, headers).end(body));

describeWith("cosmosdb", (server) => {
  test("creates documents with the text that they have", async () => {
    const { properties, documents } = await makeContainer(server);
    await using output = await openOutput(cosmosdb, properties);
    const answer = await output.invoke(
      "create",
      {},
      { data: order("1", 'ä\n"€😀', { text: "x" }) },
    );
    expect(answer).toBeUndefined();
    expect(await documents()).toMatchObject([{ id: "1", customer: { id: 'ä\n"€😀' }, text: "x" }]);
    await output.ping();
  });

  test("a document that is there is a conflict", async () => {
    const { properties, documents } = await makeContainer(server);
    await using output = await openOutput(cosmosdb, properties);
    await output.invoke("create", {}, { data: order("1") });
    await expect(output.invoke("create", {}, { data: order("1") })).rejects.toMatchObject({
      ...{ reason: "already_exists", effect: "rejected" },
    });
    expect(await documents()).toHaveLength(1);
  });

  test("a container that is not there is told at the start", async () => {
    const { properties } = await makeContainer(server);
    await expect(
      openOutput(cosmosdb, { ...properties, collection: "nosuch" }),
    ).rejects.toMatchObject({ reason: "not_found" });
  });
});

test("a request is signed by the account's key as Microsoft's reference says", async () => {
  const { server, open } = await serve(answering(201));
  await using output = await open();
  await output.invoke("create", {}, { data: order("1") });
  expect(server.received.map(({ method, url }) => `${method} ${url}`)).toEqual([
    "GET /dbs/shop%20%26%20co/colls/Orders",
    "POST /dbs/shop%20%26%20co/colls/Orders/docs",
  ]);
  for (const { method = "", url = "", headers } of server.received) {
    const type = url.endsWith("/docs") ? "docs" : "colls";
    const date = String(headers["x-ms-date"]);
    const text = [method.toLowerCase(), type, "dbs/shop & co/colls/Orders", date.toLowerCase()];
    const signature = createHmac("sha256", Buffer.from(masterKey, "base64"))
      .update(`${text.join("\n")}\n\n`)
      .digest("base64");
    expect(headers.authorization).toBe(encodeURIComponent(`type=master&ver=1.0&sig=${signature}`));
    expect(Math.abs(Date.parse(date) - Date.now())).toBeLessThan(60_000);
  }
  expect(server.received[1]?.headers["x-ms-documentdb-partitionkey"]).toBe('["c1"]');
});

test("the example of Microsoft's reference", async () => {
  const { masterSignature, authorizationOf } =
    await import("../../../../src/bindings/azure/azure.cosmosdb/authorization.ts");
  const key =
    "dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==";
  const signature = masterSignature(Buffer.from(key, "base64"), {
    ...{ verb: "GET", resourceType: "dbs", resourceLink: "dbs/ToDoList" },
    date: "Thu, 27 Apr 2017 00:51:12 GMT",
  });
  expect(authorizationOf("master", signature)).toBe(
    "type%3Dmaster%26ver%3D1.0%26sig%3Dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2Bc%2Bc%3D",
  );
});

test("without a key, by a token of Entra ID for the account; a refused token is replaced", async () => {
  const entra = await EntraServer.start({ clientId: "shop", secret: "hush" });
  onTestFinished(() => entra[Symbol.asyncDispose]());
  let status = 201;
  const { server, open } = await serve(
    ({ method }, response) => void response.writeHead(method === "GET" ? 403 : status).end(),
    {
      ...{ azureTenantId: entra.tenant, azureClientId: "shop", azureClientSecret: "hush" },
      azureAuthorityHost: entra.url,
    },
  );
  // That the container must not be read is no reason not to open.
  await using output = await open();
  await output.invoke("create", {}, { data: order("1") });
  const token = decodeURIComponent(String(server.received[1]?.headers.authorization));
  expect(token).toBe(`type=aad&ver=1.0&sig=${entra.given[0]?.token}`);
  expect(entra.given[0]?.scope).toBe("http://127.0.0.1/.default");
  status = 401;
  await expect(output.invoke("create", {}, { data: order("2") })).rejects.toMatchObject({
    reason: "unauthenticated",
  });
  status = 201;
  await output.invoke("create", {}, { data: order("3") });
  expect(entra.given).toHaveLength(2);
});

describe("what is refused", () => {
  test.each([
    [undefined, "the document is no JSON"],
    ["{", "the document is no JSON"],
    ["[]", "the document is no JSON object"],
    ["null", "the document is no JSON object"],
    [
      '{"id":"1"}',
      "missing partitionKey field customer.id from request body - key not found customer",
    ],
    [
      '{"customer":1}',
      "missing partitionKey field customer.id from request body - invalid structure at customer",
    ],
    [
      '{"customer":{}}',
      "missing partitionKey field customer.id from request body - key not found id",
    ],
    ['{"customer":{"id":1}}', "partition key is not a string"],
    ['{"customer":{"id":""}}', "partitionKey field customer.id from request body is empty"],
    [order("1", "x".repeat(2049)), "partitionKey field customer.id is longer than 2048 bytes"],
  ])("%.60j", async (data, message) => {
    const { server, open } = await serve(answering(201));
    await using output = await open();
    await expect(
      output.invoke("create", {}, data === undefined ? {} : { data }),
    ).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected", message });
    expect(server.received).toHaveLength(1);
  });

  test.each([
    [400, "invalid_argument", "rejected", "BadRequest"],
    [403, "permission_denied", "rejected", "Forbidden"],
    [409, "already_exists", "rejected", "Conflict"],
    [413, "resource_exhausted", "rejected", "RequestEntityTooLarge"],
    [429, "resource_exhausted", "unsent", "TooManyRequests"],
    [449, "aborted", "unsent", "RetryWith"],
    [500, "internal", "ambiguous", "InternalServerError"],
    [503, "unavailable", "ambiguous", "ServiceUnavailable"],
  ])("%s by the service", async (status, reason, effect, code) => {
    const body = JSON.stringify({ code, message: "words of the service\r\nActivityId: 1" });
    const { open } = await serve(answering(status, body, { "x-ms-retry-after-ms": "250" }));
    await using output = await open();
    await expect(output.invoke("create", {}, { data: order("1") })).rejects.toMatchObject({
      ...{ reason, effect, systemCode: code, retryAfter: 250 },
      message: `Cosmos DB: ${code}: words of the service`,
    });
  });

  test.each([
    [{ masterKey: "no base64!" }, "masterKey is no base64"],
    [{ masterKey, database: "a/b" }, "database and collection may have no control characters"],
    [{ masterKey, collection: ".." }, "database and collection may have no control characters"],
    [{ masterKey, url: "shop" }, "the URL"],
  ])("%j", async (properties, message) => {
    const { open } = await serve(answering(201), properties);
    await expect(open()).rejects.toThrow(message);
  });
});

import { describe, expect, onTestFinished, test } from "vitest";
import commercetools from "../../../src/bindings/commercetools/index.ts";
import {
  clientId,
  clientSecret,
  projectKey,
  scopes,
  startCommercetools,
} from "../../servers/commercetools.ts";
import { openOutput, textOf } from "../opened-output.ts";

const project = { region: "europe-west1", provider: "gcp", projectKey };
const client = { clientID: clientId, clientSecret, scopes };

async function serve(properties: Record<string, string> = {}) {
  const server = await startCommercetools();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const urls = { apiUrl: server.url, authUrl: server.url };
  const output = await openOutput(commercetools, { ...project, ...client, ...urls, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

const asking = (query: string, more: object = {}) => ({
  data: JSON.stringify({ commercetoolsAPI: "GraphQLQuery", query, ...more }),
});

test("create runs a query and answers its data", async () => {
  const { server, output } = await serve();
  const answer = await output.invoke("create", {}, asking("{ project { key name } }"));
  expect(textOf(answer)).toBe('{"project":{"key":"shop-test","name":"Shop"}}');
  expect(answer?.metadata).toBeUndefined();
  // The token is kept, and asked for as commercetools wants it.
  await output.invoke("create", {}, asking('{ product(id: "1") { sku } }'));
  expect(server.received.map(({ url }) => url)).toEqual([
    ...["/oauth/token", "/shop-test/graphql", "/shop-test/graphql"],
  ]);
  expect(server.received[0]?.body.toString()).toBe(
    `grant_type=client_credentials&scope=${new URLSearchParams({ "": scopes }).toString().slice(1)}`,
  );
});

test("create runs a mutation", async () => {
  const { server, output } = await serve();
  const mutation = 'mutation { createOrder(text: "hat") { id version } }';
  const answer = await output.invoke("create", {}, asking(mutation));
  expect(textOf(answer)).toBe('{"createOrder":{"id":"1","version":1}}');
  expect(server.orders).toEqual([{ id: "1", version: 1, text: "hat" }]);
});

test("variables and the name of the operation; names are taken in any case, as Go does", async () => {
  const { server, output } = await serve();
  const data = JSON.stringify({
    COMMERCETOOLSAPI: "GraphQLQuery",
    Query: "query A { project { key } } mutation B($t: String!) { createOrder(text: $t) { text } }",
    variables: { t: '"}' },
    OperationName: "B",
  });
  const answer = await output.invoke("create", {}, { data });
  expect(textOf(answer)).toBe('{"createOrder":{"text":"\\"}"}}');
  expect(server.orders).toHaveLength(1);
});

test("numbers keep their digits", async () => {
  const { server, output } = await serve();
  const data = '{"product":{"centAmount":12345678901234567890, "b" : 1.10}}';
  Object.assign(server.state, { status: 200, body: `{"data": ${data}, "extensions": {}}` });
  expect(textOf(await output.invoke("create", {}, asking("{ a }")))).toBe(data);
});

describe("refused before it is sent", () => {
  test.each([
    ["", "the data are no JSON"],
    ["[]", "the data are no JSON object"],
    ["{}", "No commercetools API provided"],
    ['{"commercetoolsAPI":"Other"}', 'the API "Other" is not known; GraphQLQuery is'],
    ['{"commercetoolsAPI":1}', "commercetoolsAPI is no text"],
    ['{"commercetoolsAPI":"GraphQLQuery","query":""}', "No GraphQL query is provided"],
    ['{"commercetoolsAPI":"GraphQLQuery"}', "No GraphQL query is provided"],
    ['{"commercetoolsAPI":"GraphQLQuery","query":"{a}","variables":[]}', "variables is no object"],
  ])("%s", async (data, why) => {
    const { server, output } = await serve();
    await expect(output.invoke("create", {}, { data })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
      message: `commercetools error: ${why}`,
    });
    expect(server.received).toEqual([]);
  });
});

test.each([
  ["region", "evil.example/#", "region is no part of a host's name"],
  ["provider", "gcp.", "provider is no part of a host's name"],
  ["projectKey", "..", "projectKey is none"],
  ["apiUrl", "ftp://example.com", 'unsupported protocol scheme "ftp"'],
  ["authUrl", "https://example.com?a", "authUrl must have no query"],
])("a component whose %s is %s does not open, and check says so", async (name, value, message) => {
  const properties = { ...project, ...client, [name]: value };
  await expect(openOutput(commercetools, properties)).rejects.toThrow(message);
  const found = await commercetools.check?.(properties as never, { input: false, output: true });
  expect(found).toEqual([expect.stringContaining(message)]);
});

const words = "commercetools error: Error executing the provided GraphQL query";

describe("what goes wrong", () => {
  test("a document that is none", async () => {
    const { output } = await serve();
    await expect(output.invoke("create", {}, asking("{ nothing }"))).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", systemCode: "400" },
      message: `${words}: Cannot query field "nothing" on type "Query".`,
    });
  });

  test.each([
    ["{ products(limit: 501) { id } }", "InvalidInput", "invalid_argument"],
    ['mutation { updateOrder(id: "1", version: 2) { id } }', "ConcurrentModification", "aborted"],
    ['mutation { updateOrder(id: "9", version: 1) { id } }', "ResourceNotFound", "not_found"],
  ])("%s", async (document, code, reason) => {
    const { output } = await serve();
    await output.invoke("create", {}, asking('mutation { createOrder(text: "a") { id } }'));
    await expect(output.invoke("create", {}, asking(document))).rejects.toMatchObject({
      ...{ reason, effect: "rejected", systemCode: code },
      message: expect.stringContaining(`${words}: ${code}: `),
    });
  });

  test("the second of two mutations: the first was done", async () => {
    const { server, output } = await serve();
    const both =
      'mutation { createOrder(text: "a") { id } updateOrder(id: "9", version: 1) { id } }';
    await expect(output.invoke("create", {}, asking(both))).rejects.toMatchObject({
      ...{ reason: "not_found", effect: "ambiguous", systemCode: "ResourceNotFound" },
    });
    expect(server.orders).toHaveLength(1);
  });

  test.each([
    ["an error without a code", 200, '{"data":{"a":null},"errors":[{"message":"m"}]}', "internal"],
    ["no GraphQL", 200, "<html>", "internal"],
    ["429", 429, "", "resource_exhausted", "unsent"],
    ["503", 503, '{"errors":[{"code":"OverCapacity","message":"m"}]}', "unavailable"],
    ["502 without JSON", 502, "<html>", "unavailable"],
  ] as const)("%s", async (_, status, body, reason, effect: string = "ambiguous") => {
    const { server, output } = await serve();
    Object.assign(server.state, { status, body });
    const call = output.invoke("create", {}, asking("{ a }"));
    await expect(call).rejects.toMatchObject({ reason, effect });
    await expect(call).rejects.toThrow(words);
    expect(server.received).toHaveLength(2);
  });

  test.each([
    [{ clientSecret: "another" }, "HTTP 401: invalid_client"],
    [{ scopes: "manage_project:shop-test" }, "HTTP 400: invalid_scope"],
    [{ authUrl: "http://127.0.0.1:1" }, "connection refused"],
  ])("no token with %j", async (properties, why) => {
    const { server, output } = await serve(properties);
    const call = output.invoke("create", {}, asking("{ a }"));
    await expect(call).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "unsent" },
      message: expect.stringMatching(new RegExp(`^${words}: no token from .*${why}`)) as string,
    });
    expect(server.received.filter(({ url }) => url !== "/oauth/token")).toEqual([]);
  });

  test("a project that the token is not for", async () => {
    const { output } = await serve({ projectKey: "another" });
    await expect(output.invoke("create", {}, asking("{ a }"))).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected", systemCode: "insufficient_scope" },
    });
  });

  test("a token that is not taken any more is asked for again by the next call", async () => {
    const { server, output } = await serve();
    const query = asking("{ project { key } }");
    await output.invoke("create", {}, query);
    server.given.splice(0);
    await expect(output.invoke("create", {}, query)).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected", systemCode: "invalid_token" },
    });
    await output.invoke("create", {}, query);
    expect(server.given).toHaveLength(1);
  });

  test("an answer larger than maxResponseBodySize", async () => {
    const { output } = await serve({ maxResponseBodySize: "16" });
    const call = output.invoke("create", {}, asking("{ project { key } }"));
    await expect(call).rejects.toMatchObject({ reason: "resource_exhausted", effect: "ambiguous" });
  });

  test("a caller who cancels while the token is asked for", async () => {
    const { output } = await serve();
    const call = output.invoke("create", {}, { ...asking("{ a }"), signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ reason: "cancelled", effect: "unsent" });
  });
});

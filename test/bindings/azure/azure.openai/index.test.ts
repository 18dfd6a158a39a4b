import { describe, expect, onTestFinished, test } from "vitest";
import openai from "../../../../src/bindings/azure/azure.openai/index.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { openOutput, textOf } from "../../opened-output.ts";
import { apiKey, startOpenai } from "./stand-in.ts";

async function serve(properties: Record<string, string> = { apiKey }) {
  const server = await startOpenai();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const output = await openOutput(openai, { endpoint: server.url, ...properties });
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

const deploymentID = "gpt 4o/mini";

test("completion, with Dapr's defaults", async () => {
  const { server, output } = await serve();
  const data = JSON.stringify({ deploymentID, prompt: "Hello" });
  const answer = await output.invoke("completion", {}, { data });
  expect(JSON.parse(textOf(answer) ?? "")).toEqual([
    { text: " there", index: 0, finish_reason: "stop" },
  ]);
  expect(server.asked).toEqual([
    {
      ...{ deployment: deploymentID, operation: "completions" },
      body: { prompt: ["Hello"], max_tokens: 16, temperature: 1, top_p: 1, n: 1 },
    },
  ]);
  const { metadata = {} } = answer ?? {};
  expect(metadata).toMatchObject({
    operation: "completion",
    duration: expect.stringMatching(/^[\d.]+m?s$/),
  });
  expect(Date.parse(metadata["end-time"] ?? "")).toBeGreaterThanOrEqual(
    Date.parse(metadata["start-time"] ?? ""),
  );
});

test("chat-completion, with all settings, and names as Go reads them", async () => {
  const { server, output } = await serve();
  const messages = ["system", "user", "assistant", "function", "tool"].map((Role) => ({
    ...{ Role, MESSAGE: `as ${Role}` },
  }));
  const settings = { temperature: 0.5, maxTokens: 9, topP: 0.1, n: 2, stop: ["."] };
  const penalties = { presencePenalty: 0.5, frequencyPenalty: -1 };
  const data = JSON.stringify({ DeploymentId: "chat", messages, ...settings, ...penalties });
  const answer = await output.invoke("chat-completion", {}, { data });
  expect(JSON.parse(textOf(answer) ?? "")).toMatchObject([
    { message: { role: "assistant", content: "Hi" } },
  ]);
  expect(server.asked[0]).toEqual({
    ...{ deployment: "chat", operation: "chat/completions" },
    body: {
      messages: messages.map(({ Role, MESSAGE }) => ({ role: Role, content: MESSAGE })),
      ...{ temperature: 0.5, max_tokens: 9, top_p: 0.1, n: 2, stop: ["."] },
      ...{ presence_penalty: 0.5, frequency_penalty: -1 },
    },
  });
});

test("get-embedding", async () => {
  const { server, output } = await serve();
  const data = JSON.stringify({ deploymentID: "ada", message: "Hello" });
  const answer = await output.invoke("get-embedding", {}, { data });
  expect(textOf(answer)).toBe("[0.25,-1,1e-7]");
  expect(server.asked[0]?.body).toEqual({ input: ["Hello"] });
});

describe("what is refused before it is sent", () => {
  const input = "error unmarshalling the input object: ";
  const required = "required metadata not set: deploymentID";
  test.each([
    ["completion", "", `error performing completion: ${input}it is no JSON`],
    ["completion", "[]", `error performing completion: ${input}it is no JSON object`],
    [
      "completion",
      "null",
      "error performing completion: prompt is required for completion operation",
    ],
    ["completion", '{"prompt":1}', `error performing completion: ${input}prompt is no text`],
    ["completion", '{"prompt":"x"}', `error performing completion: ${required}`],
    [
      "completion",
      '{"prompt":"x","deploymentID":"d","n":"1"}',
      `error performing completion: ${input}n is no number`,
    ],
    [
      "completion",
      '{"prompt":"x","deploymentID":"d","stop":"."}',
      `error performing completion: ${input}stop is no list of texts`,
    ],
    [
      "chat-completion",
      "{}",
      "error performing chat completion: messages are required for chat-completion operation",
    ],
    [
      "chat-completion",
      '{"messages":{}}',
      `error performing chat completion: ${input}messages is no list`,
    ],
    [
      "chat-completion",
      '{"messages":[1],"deploymentID":"d"}',
      `error performing chat completion: ${input}a message is no object`,
    ],
    ["chat-completion", '{"messages":[{}]}', `error performing chat completion: ${required}`],
    [
      "chat-completion",
      '{"messages":[{"role":"god"}],"deploymentID":"d"}',
      "error performing chat completion: invalid role: god",
    ],
    ["get-embedding", "{}", `error performing get embedding operation: ${required}`],
    [
      "get-embedding",
      '{"deploymentID":".."}',
      "error performing get embedding operation: deploymentID is no name of a deployment",
    ],
  ])("%s %s", async (operation, data, message) => {
    const { server, output } = await serve();
    await expect(output.invoke(operation, {}, { data })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected", message },
    });
    expect(server.received).toEqual([]);
  });
});

const data = JSON.stringify({ deploymentID: "d", prompt: "x" });

test.each([
  [400, "invalid_argument", "rejected"],
  [404, "not_found", "rejected"],
  [429, "resource_exhausted", "unsent"],
  [500, "internal", "ambiguous"],
])("%s by the service", async (status, reason, effect) => {
  const { server, output } = await serve();
  server.state.status = status;
  await expect(output.invoke("completion", {}, { data })).rejects.toMatchObject({
    ...{ reason, effect, systemCode: "its_code" },
    message: "error performing completion: its_code: words of the service",
  });
});

test("an answer larger than maxResponseBodySize", async () => {
  const { output } = await serve({ apiKey, maxResponseBodySize: "16" });
  await expect(output.invoke("completion", {}, { data })).rejects.toMatchObject({
    ...{ reason: "resource_exhausted", effect: "ambiguous" },
  });
});

test("without a key, by a token of Entra ID", async () => {
  const entra = await EntraServer.start({ clientId: "shop", secret: "hush" });
  onTestFinished(() => entra[Symbol.asyncDispose]());
  const server = await startOpenai((token) =>
    entra.knows(token, "https://cognitiveservices.azure.com/.default"),
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  await using output = await openOutput(openai, {
    endpoint: `${server.url}/`,
    ...{ azureTenantId: entra.tenant, azureClientId: "shop", azureClientSecret: "hush" },
    azureAuthorityHost: entra.url,
  });
  await output.invoke("completion", {}, { data });
  expect(server.asked).toHaveLength(1);
});

test("an endpoint with a query is refused", async () => {
  const opening = openOutput(openai, { endpoint: "https://shop.example/?a=b", apiKey });
  await expect(opening).rejects.toThrow("endpoint must have no query and no fragment");
});

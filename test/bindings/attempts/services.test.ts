import cosmosdb from "../../../src/bindings/azure/azure.cosmosdb/index.ts";
import openai from "../../../src/bindings/azure/azure.openai/index.ts";
import eventGrid from "../../../src/bindings/azure/azure.eventgrid/index.ts";
import signalr from "../../../src/bindings/azure/azure.signalr/index.ts";
import queues from "../../../src/bindings/cloudflare.queues/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeContainer, order } from "../azure/azure.cosmosdb/container.ts";
import { apiKey, startOpenai } from "../azure/azure.openai/stand-in.ts";
import { accessKey as topicKey, startEventGrid } from "../azure/azure.eventgrid/stand-in.ts";
import { accessKey, startSignalr } from "../azure/azure.signalr/stand-in.ts";
import { startWorker, worker } from "../cloudflare.queues/worker-stand-in.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

const urlOf = ({ host, port }: { host: string; port: number }): string => `http://${host}:${port}`;

describeWith("cosmosdb", (server) =>
  testAttempts(cosmosdb, "create", async () => {
    const { properties, documents } = await makeContainer(server);
    return {
      ...{ server, operation: "create", connectsByCall: true },
      properties: (at) => ({ ...properties, url: urlOf(at) }),
      request: (mark) => ({ data: order("1", "c1", { text: mark }) }),
      done: async (mark) => (await documents()).filter(({ text }) => text === mark).length,
    };
  }),
);

testAttempts(eventGrid, "create", async () => {
  const server = await startEventGrid();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: (at) => ({ topicEndpoint: `${urlOf(at)}/api/events`, accessKey: topicKey }),
    request: (mark) => ({ data: JSON.stringify({ id: mark }) }),
    done: async (mark) => server.published.filter((text) => text.includes(mark)).length,
  };
});

testAttempts(signalr, "create", async () => {
  const server = await startSignalr();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: (at) => ({ endpoint: urlOf(at), accessKey, hub: "orders" }),
    request: (mark) => ({ data: JSON.stringify({ target: "new", arguments: [mark] }) }),
    done: async (mark) => server.sent.filter(({ body }) => body.includes(mark)).length,
  };
});

testAttempts(openai, "completion", async () => {
  const server = await startOpenai();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "completion" },
    connectsByCall: true,
    properties: (at) => ({ endpoint: urlOf(at), apiKey }),
    request: (mark) => ({ data: JSON.stringify({ deploymentID: "d", prompt: mark }) }),
    done: async (mark) =>
      server.asked.filter(({ body }) => JSON.stringify(body).includes(mark)).length,
  };
});

testAttempts(queues, "create", async () => {
  const server = await startWorker();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: (at) => ({ ...worker, workerUrl: `${urlOf(at)}/base` }),
    request: (data) => ({ data }),
    done: async (mark) => server.messages.filter((message) => message === mark).length,
  };
});

import cosmosdb from "../../../src/bindings/azure/azure.cosmosdb/index.ts";
import gremlin from "../../../src/bindings/azure/azure.cosmosdb.gremlinapi/index.ts";
import openai from "../../../src/bindings/azure/azure.openai/index.ts";
import signalr from "../../../src/bindings/azure/azure.signalr/index.ts";
import queues from "../../../src/bindings/cloudflare.queues/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeContainer, order } from "../azure/azure.cosmosdb/container.ts";
import { query, startGremlin } from "../azure/azure.cosmosdb.gremlinapi/stand-in.ts";
import { apiKey, startOpenai } from "../azure/azure.openai/stand-in.ts";
import { accessKey, startSignalr } from "../azure/azure.signalr/stand-in.ts";
import { startWorker, worker } from "../cloudflare.queues/worker-stand-in.ts";
import { endAfterTest } from "../contract.ts";
import { testHostileValues } from "./suite.ts";

describeWith("cosmosdb", (server) =>
  testHostileValues(cosmosdb, ["the partition"], async () => {
    const { properties, documents } = await makeContainer(server);
    let id = 0;
    let seen = 0;
    return {
      properties,
      places: {
        "the partition": {
          send: (output, value) => output.invoke("create", {}, { data: order(`${id++}`, value) }),
          async arrived() {
            const fresh = (await documents()).slice(seen);
            seen += fresh.length;
            return fresh.map(({ customer }) => customer.id);
          },
        },
      },
    };
  }),
);

testHostileValues(gremlin, ["the query", "a value", "a value's name"], async () => {
  const { asked, properties } = await startGremlin();
  const bound = async () => asked.splice(0).map(({ bindings }) => Object.entries(Object(bindings)));
  return {
    properties,
    places: {
      "the query": {
        send: (output, text) => output.invoke("query", {}, query(text)),
        arrived: async () => asked.splice(0).map(({ gremlin }) => String(gremlin)),
      },
      "a value": {
        send: (output, text) => output.invoke("query", {}, query("g", { bindings: { text } })),
        arrived: async () => (await bound()).flat().map(([, value]) => String(value)),
      },
      "a value's name": {
        send: (output, name) => output.invoke("query", {}, query("g", { bindings: { [name]: 1 } })),
        arrived: async () => (await bound()).flat().map(([name]) => name),
      },
    },
  };
});

testHostileValues(signalr, ["the hub", "the group", "the user"], async () => {
  const server = await startSignalr();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const arrived = async () => server.sent.splice(0).map(({ path }) => path);
  return {
    properties: { endpoint: server.url, accessKey, hub: "orders" },
    places: {
      "the hub": {
        send: (output, hub) => output.invoke("create", { hub }, { data: "{}" }),
        arrived,
        expected: (value) => value.toLowerCase(),
      },
      "the group": {
        send: (output, group) => output.invoke("create", { group }, { data: "{}" }),
        arrived,
        expected: (value) => `orders|groups|${value}`,
      },
      "the user": {
        send: (output, user) => output.invoke("create", { user }, { data: "{}" }),
        arrived,
        expected: (value) => `orders|users|${value}`,
      },
    },
  };
});

testHostileValues(openai, ["the deployment", "the prompt"], async () => {
  const server = await startOpenai();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const complete = (deploymentID: string, prompt: string) => ({
    data: JSON.stringify({ deploymentID, prompt }),
  });
  return {
    properties: { endpoint: server.url, apiKey },
    places: {
      "the deployment": {
        send: (output, value) => output.invoke("completion", {}, complete(value, "x")),
        arrived: async () => server.asked.splice(0).map(({ deployment }) => deployment),
      },
      "the prompt": {
        send: (output, value) => output.invoke("completion", {}, complete("d", value)),
        arrived: async () =>
          server.asked.splice(0).flatMap(({ body }) => body["prompt"] as string[]),
      },
    },
  };
});

testHostileValues(queues, ["the message"], async () => {
  const server = await startWorker();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { ...worker, workerUrl: server.workerUrl },
    places: {
      "the message": {
        send: (output, data) => output.invoke("create", {}, { data }),
        arrived: async () => server.messages.splice(0),
      },
    },
  };
});

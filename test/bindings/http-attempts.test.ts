import { onTestFinished, expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import graphql from "../../src/bindings/graphql/index.ts";
import influx from "../../src/bindings/influx/index.ts";
import twilio from "../../src/bindings/twilio.sms.ts";
import { component, startRuntime } from "../runtime/fake-binding.ts";
import { bindingsClient } from "../rpc/bindings-client.ts";
import { startLoopback } from "./http/loopback-server.ts";

type Subject = {
  readonly binding: AnyBinding;
  readonly properties: (url: string) => Record<string, string>;
  readonly start: { operation: string; metadata?: Record<string, string> };
  readonly data?: string;
};

const account = { token: "token", org: "org", bucket: "bucket" };
const sender = { accountSid: "AC1", authToken: "token", fromNumber: "+1", toNumber: "+2" };
const ofGraphql = { binding: graphql, properties: (endpoint: string) => ({ endpoint }) };
const ofInflux = { binding: influx, properties: (url: string) => ({ url, ...account }) };

const subjects: Readonly<Record<string, Subject>> = {
  "a query": {
    ...ofGraphql,
    start: { operation: "query", metadata: { query: "query { a }" } },
  },
  "a mutation": {
    ...ofGraphql,
    start: { operation: "mutation", metadata: { mutation: "mutation { a }" } },
  },
  "a point": {
    ...ofInflux,
    ...{ start: { operation: "create" }, data: '{"measurement":"m","values":"t=1"}' },
  },
  "a Flux query": { ...ofInflux, start: { operation: "query", metadata: { raw: "from()" } } },
  "a text message": {
    binding: twilio,
    properties: (apiUrl) => ({ apiUrl, ...sender }),
    start: { operation: "create" },
  },
};

// By the default policy: three attempts where nothing was sent, or where repeating does no harm.
test.each([
  ["a query", 400, 1],
  ["a query", 429, 3],
  ["a query", 503, 3],
  ["a mutation", 400, 1],
  ["a mutation", 429, 3],
  ["a mutation", 503, 1],
  ["a point", 400, 1],
  ["a point", 429, 3],
  ["a point", 503, 1],
  ["a Flux query", 401, 1],
  ["a Flux query", 429, 3],
  ["a Flux query", 503, 1],
  ["a text message", 400, 1],
  ["a text message", 408, 1],
  ["a text message", 429, 3],
  ["a text message", 503, 1],
])("%s that is answered %s is sent so many times: %s", async (name, status, times) => {
  const { binding, properties, start, data = "" } = subjects[name]!;
  const server = await startLoopback((_, response) => void response.writeHead(status).end());
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { runtime } = startRuntime({ bindings: [binding] });
  const resolve = async () => ({ values: properties(server.url), secrets: [] });
  await runtime.apply([component(binding.name, {}, { resolve })]);
  const { results } = await bindingsClient(runtime).invokeBindingBatch({
    invocations: [{ name: "orders", ...start, data: Buffer.from(data) }],
  });
  expect(results[0]?.result.case).toBe("error");
  expect(server.received).toHaveLength(times);
});

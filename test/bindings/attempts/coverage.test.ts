import { expect, test } from "vitest";
import { bindings } from "../../../src/bindings/index.ts";
import { testedBindings } from "../tested-bindings.ts";

/** Outputs whose requests are counted elsewhere, or that make none. */
const elsewhere: Readonly<Record<string, string>> = {
  "azure.cosmosdb.gremlinapi":
    "its frames are masked: test/bindings/azure/azure.cosmosdb.gremlinapi/index.test.ts, at the server",
  exec: "it calls no server; its runs are counted in test/bindings/exec/index.test.ts",
  grpc: "test/bindings/grpc/attempts.test.ts, at the server, by what becomes of the stream",
  graphql: "test/bindings/http-attempts.test.ts, by the status of the answer",
  influx: "test/bindings/http-attempts.test.ts, by the status of the answer",
  kafka:
    "its idempotent producer sends again by itself: group-reader.test.ts, stores nothing twice",
  kitex: "it is not built",
  localstorage: "it calls no server",
  sftp: "its connection is encrypted: test/bindings/sftp/failures.test.ts, at the server",
  wasm: "it calls no server",
  websocket: "its frames are masked, and have no answer: test/bindings/websocket/index.test.ts",
  "twilio.sms": "test/bindings/http-attempts.test.ts, by the status of the answer",
};

test("the requests of every output are counted", () => {
  const counted = testedBindings(import.meta.dirname, "testAttempts");
  const outputs = bindings.filter(({ operations }) => operations !== undefined);
  const missing = outputs.filter(({ name }) => !counted.has(name) && !(name in elsewhere));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

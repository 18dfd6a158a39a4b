import commercetools from "../../../src/bindings/commercetools/index.ts";
import { shopAt, startCommercetools } from "../../servers/commercetools.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

testAttempts(commercetools, "create", async () => {
  const server = await startCommercetools();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    server: { host: "127.0.0.1", port: server.port },
    ...{ operation: "create", connectsByCall: true },
    properties: ({ host, port }) => ({
      ...shopAt(server.url),
      apiUrl: `http://${host}:${port}`,
    }),
    request: (mark) => ({
      data: JSON.stringify({
        commercetoolsAPI: "GraphQLQuery",
        query: `mutation { createOrder(text: "${mark}") { id } }`,
      }),
    }),
    done: async (mark) => server.orders.filter(({ text }) => text === mark).length,
  };
});

import apns from "../../../src/bindings/apns/index.ts";
import { apnsLogin, deviceToken, startApns } from "../../servers/apns.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

testAttempts(apns, "create", async () => {
  const server = await startApns();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    server: { host: "127.0.0.1", port: server.port },
    ...{ operation: "create", noticesByCall: true },
    properties: ({ host, port }) => ({ ...apnsLogin, apiUrl: `http://${host}:${port}` }),
    request: (mark) => ({
      metadata: { "device-token": deviceToken, "apns-topic": "com.example.shop" },
      data: mark,
    }),
    done: async (mark) => server.sent.filter(({ body }) => body === mark).length,
  };
});

import apns from "../../../src/bindings/apns/index.ts";
import { apnsLogin, deviceToken, startApns } from "../../servers/apns.ts";
import { endAfterTest } from "../contract.ts";
import { testHostileValues, type HostilePlace } from "./suite.ts";

testHostileValues(apns, ["the device", "the topic", "the collapse id", "the payload"], async () => {
  const server = await startApns();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const call = { "device-token": deviceToken, "apns-topic": "com.example.shop" };
  const place = (
    field: string,
    read: (one: (typeof server.sent)[number]) => string | undefined,
    harmless: string,
  ): HostilePlace => ({
    send: (output, value) => output.invoke("create", { ...call, [field]: value }, { data: "{}" }),
    arrived: async () => server.sent.splice(0).map((one) => String(read(one))),
    harmless,
  });
  return {
    properties: { ...apnsLogin, apiUrl: server.url },
    places: {
      "the device": place("device-token", ({ device }) => device, "ab".repeat(32)),
      "the topic": place("apns-topic", ({ headers }) => headers["apns-topic"], "com.example.a"),
      "the collapse id": place(
        "apns-collapse-id",
        ({ headers }) => headers["apns-collapse-id"],
        "order 1",
      ),
      "the payload": {
        send: (output, data) => output.invoke("create", call, { data }),
        arrived: async () => server.sent.splice(0).map(({ body }) => body),
      },
    },
  };
});

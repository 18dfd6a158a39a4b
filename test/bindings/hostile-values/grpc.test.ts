import { beforeAll } from "vitest";
import grpc from "../../../src/bindings/grpc/index.ts";
import { endAfterTest } from "../contract.ts";
import { buildDescriptors, startOrders } from "../grpc/orders-server.ts";
import { testHostileValues } from "./suite.ts";

let set: Buffer;
beforeAll(async () => {
  set = await buildDescriptors();
});

testHostileValues(grpc, ["a value of request metadata", "a field", "a method"], async () => {
  const server = await startOrders(set);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const taken = () => server.calls.splice(0);
  return {
    properties: { address: server.address, service: "shop.v1.Orders" },
    places: {
      "a value of request metadata": {
        send: (output, value) => output.invoke("call", { method: "Get", "header:x-test": value }),
        arrived: async () =>
          taken().map(({ context }) => context.requestHeader.get("x-test") ?? ""),
      },
      "a field": {
        send: (output, value) => {
          const data = JSON.stringify({ orderId: value });
          return output.invoke("call", { method: "Get" }, { data });
        },
        arrived: async () => taken().map(({ order }) => order.orderId),
      },
      "a method": {
        send: (output, value) => output.invoke("call", { method: value }),
        arrived: async () => taken().map(({ method }) => method),
        harmless: "Put",
      },
    },
  };
});

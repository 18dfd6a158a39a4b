import { expect, test } from "vitest";
import { loadKafkaDriver } from "../../../src/bindings/kafka/driver.ts";

test("the driver checks options, and tells what is wrong with them, once it is asked to", async () => {
  const { Base } = await loadKafkaDriver();
  const options = { bootstrapBrokers: ["127.0.0.1:1"], strict: true };
  expect(() => new Base({ ...options, clientId: "" })).toThrow(/clientId/);
  const client = new Base({ ...options, clientId: "test" });
  await client.close();
});

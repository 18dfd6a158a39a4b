import { createServer } from "node:https";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { caCertField } from "../../src/metadata/tls-fields.ts";
import { makeCertificates } from "./certificates.ts";
import type { Certificates } from "./certificates.ts";
import { startLoopback } from "./http/loopback-server.ts";
import { openOutput } from "./opened-output.ts";
import { order, outputsAt as outputs } from "./outputs-at.ts";

/** They ask for the host of a project, which no certificate of an address can name: looked at once the chain is trusted. */
const othersNames = new Set(["alicloud.sls"]);

/** Their own tests show it: they speak AMQP, or HTTP/2. */
const elsewhere = new Set(["apns", "azure.eventhubs", "azure.servicebus.queues", "rocketmq"]);

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

/** How many requests come to a server that refuses all, from an output with these properties more; and what is said. */
async function asked(binding: AnyBinding, more: Record<string, string>) {
  const { cert, key: serverKey } = certificates.server;
  await using server = await startLoopback(
    (_received, response) => void response.writeHead(403).end(),
    (listener) => createServer({ cert, key: serverKey }, listener),
    "https",
  );
  const make = outputs[binding.name];
  if (make === undefined) throw new Error(`there is no case of ${binding.name}`);
  const { properties, operation = "create", request = {}, data = order } = make(server.url);
  let said = "";
  try {
    await using output = await openOutput(binding, { ...properties, ...more });
    await output.invoke(operation, { ...request }, { data });
  } catch (error) {
    said = String(error);
  }
  return { requests: server.received.length, said };
}

const withField = bindings.filter(({ metadata }) => metadata["caCert"] === caCertField.caCert);

test("each type with the field has a case", () => {
  const names = withField.map(({ name }) => name).filter((name) => !elsewhere.has(name));
  expect(names.toSorted()).toEqual(Object.keys(outputs).toSorted());
});

test.each(withField.filter(({ name }) => !elsewhere.has(name)))(
  "$name trusts the authorities of caCert, and without it nobody unknown",
  async (binding) => {
    const unknown = await asked(binding, {});
    expect(unknown.requests).toBe(0);
    expect(unknown.said).toMatch(
      /unable to verify|certificate signed by unknown|self-signed|unknown authority/,
    );
    for (const caCert of [certificates.ca, certificates.caPath]) {
      const { requests, said } = await asked(binding, { caCert });
      if (othersNames.has(binding.name)) expect(said).toMatch(/altnames/);
      else expect(requests, said).toBeGreaterThan(0);
    }
  },
);

import { expect, test } from "vitest";
import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import { claimsOf } from "../../../../src/bindings/azure/azure.eventhubs/balance.ts";
import { HandledPrefix } from "../../../../src/bindings/azure/azure.eventhubs/handled-prefix.ts";
import { decodeHandledRanges } from "../../../../src/handled-ranges.ts";
import { makeCertificates } from "../../certificates.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { endAfterTest } from "../../contract.ts";
import { openOutput } from "../../opened-output.ts";
import { startNamespace } from "../namespace.ts";

test("partitions are shared so that each reader has as many as the others, or one more", () => {
  for (const readers of [1, 2, 3, 4, 5]) {
    const partitions = ["0", "1", "2", "3", "4", "5", "6"];
    const owners = new Map<string, string>();
    const names = Array.from({ length: readers }, (_, n) => `reader-${n}`);
    // One after another, as they are in life: each sees what the one before has claimed.
    for (let round = 0; round < 12; round++) {
      for (const me of names.slice(0, 1 + round)) {
        const owned = [...owners].map(([partition, owner]) => ({
          ...{ partition, owner, etag: "", age: 0 },
        }));
        for (const partition of claimsOf(partitions, owned, me, 60_000)) owners.set(partition, me);
      }
    }
    const counts = names.map((me) => [...owners.values()].filter((owner) => owner === me).length);
    expect(counts.reduce((one, other) => one + other)).toBe(7);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
});

test("ownership that has expired, or was given up, is taken", () => {
  const owned = [
    { partition: "0", owner: "gone", etag: "a", age: 60_001 },
    { partition: "1", owner: "", etag: "b", age: 1 },
    { partition: "2", owner: "other", etag: "c", age: 1 },
  ];
  expect(claimsOf(["0", "1", "2"], owned, "me", 60_000).toSorted()).toEqual(["0", "1"]);
});

test("a checkpoint passes no event that was not handled", () => {
  const prefix = new HandledPrefix({ sequence: 4, offset: "400" });
  const settle = [5, 6, 7, 9].map((n) => prefix.deliver(n, String(n * 100)));
  settle[1]?.();
  settle[3]?.();
  const { ranges, ...position } = prefix.checkpoint;
  expect(position).toEqual({ sequence: 4, offset: "400" });
  expect(decodeHandledRanges(5, ranges)).toEqual([
    { first: 6, last: 6 },
    { first: 9, last: 9 },
  ]);
  settle[0]?.();
  settle[0]?.();
  expect(prefix.checkpoint).toMatchObject({ sequence: 6, offset: "600" });
  settle[2]?.();
  expect(prefix.checkpoint).toEqual({ sequence: 9, offset: "900", ranges: "" });
});

test("in any order of settlement the checkpoint is the last event before the first that was not handled", () => {
  const count = 200;
  const prefix = new HandledPrefix({ sequence: -1, offset: "-1" });
  const settle = Array.from({ length: count }, (_, n) => prefix.deliver(n, `at ${n}`));
  const open = new Set(settle.keys());
  const order = [...settle.keys()].toSorted(
    (one, other) => ((one * 83) % 199) - ((other * 83) % 199),
  );
  for (const n of order) {
    settle[n]?.();
    open.delete(n);
    const first = Math.min(count, ...open);
    const { sequence, offset, ranges } = prefix.checkpoint;
    expect([sequence, offset]).toEqual(first === 0 ? [-1, "-1"] : [first - 1, `at ${first - 1}`]);
    const above = decodeHandledRanges(sequence + 1, ranges);
    for (const { first: from, last } of above)
      for (let one = from; one <= last; one++) expect(open.has(one)).toBe(false);
  }
});

const connectionString =
  "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=shop;SharedAccessKey=a2V5";

test.each([
  [{}, "one of connectionString or eventHubNamespace is required"],
  [
    { connectionString, eventHubNamespace: "shop" },
    "only one of connectionString or eventHubNamespace should be passed",
  ],
  [{ connectionString }, "does not contain a value for 'EntityPath' and no 'eventHub' property"],
  [{ eventHubNamespace: "shop" }, "property 'eventHub' is required when connecting with Azure AD"],
  [{ connectionString, eventHub: "a/b" }, "eventHub can have letters"],
  [{ eventHubNamespace: "a b", eventHub: "orders" }, "the namespace is not a domain name"],
  [
    { eventHubNamespace: "shop", eventHub: "orders", enableEntityManagement: true },
    "property resourceGroupName is required for entity management",
  ],
  [
    { connectionString, eventHub: "orders", storageContainerName: "checkpoints" },
    "property consumerID is required to subscribe to an Event Hub topic",
  ],
  [
    { connectionString, eventHub: "orders", consumerGroup: "shop" },
    "property storageAccountName is required to subscribe to an Event Hub topic",
  ],
  [
    { connectionString, eventHub: "orders", consumerGroup: "shop", storageAccountName: "shop" },
    "property storageContainerName is required to subscribe to an Event Hub topic",
  ],
  [
    {
      ...{ connectionString, eventHub: "orders", consumerGroup: "a/b" },
      ...{ storageAccountName: "shop", storageContainerName: "checkpoints" },
    },
    "consumerGroup can have letters",
  ],
])("%o is found by check", async (metadata, problem) => {
  const problems = await eventhubs.check?.(metadata as never, { input: true, output: true });
  expect(problems?.join()).toContain(problem);
});

test.each([
  { connectionString, eventHub: "orders" },
  { connectionString: `${connectionString};EntityPath=orders` },
  { eventHubNamespace: "shop", eventHub: "orders" },
])("%o is all that an output needs", async (metadata) => {
  expect(await eventhubs.check?.(metadata as never, { input: true, output: true })).toEqual([]);
});

async function sending() {
  const namespace = await startNamespace();
  const eventHub = uniqueName("hub-2");
  const output = await openOutput(eventhubs, {
    ...{ connectionString: namespace.connectionString, eventHub },
  });
  endAfterTest(async () => output[Symbol.asyncDispose]());
  return { namespace, eventHub, hub: namespace.hub(eventHub), output };
}

test("an event is sent with its key, to its partition, with its properties", async () => {
  const { hub, output } = await sending();
  await output.invoke(
    "create",
    { partitionKey: "k", contentType: "text/x", "header:a": "b" },
    { data: "1" },
  );
  await output.invoke("create", { partitionId: "1" }, { data: "2" });
  const events = ["0", "1"].flatMap((id) => hub.eventsOf(id).map(({ message }) => message));
  expect(events).toHaveLength(2);
  expect(events.find((one) => one.content_type === "text/x")).toMatchObject({
    message_annotations: { "x-opt-partition-key": "k" },
    application_properties: { a: "b" },
  });
  expect(hub.eventsOf("1").map(({ message }) => message.message_annotations)).toContain(undefined);
});

test.each([
  { partitionKey: "a", partitionId: "1" },
  { partitionId: "../x" },
  { partitionKey: "k".repeat(129) },
  { contentType: "ä" },
])("%o is refused, and nothing is sent", async (metadata) => {
  const { hub, output } = await sending();
  await expect(output.invoke("create", metadata)).rejects.toMatchObject({
    reason: "invalid_argument",
    effect: "rejected",
  });
  expect(hub.eventsOf("0")).toEqual([]);
});

test.each([
  ["amqp:not-found", "not_found"],
  ["amqp:unauthorized-access", "permission_denied"],
])("%s of the hub's link: %s, unsent", async (condition, reason) => {
  const { namespace, eventHub, output } = await sending();
  namespace.refusals.set(eventHub.toLowerCase(), condition);
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason, effect: "unsent", systemCode: condition },
  });
});

test.each([
  ["com.microsoft:server-busy", "resource_exhausted", "unsent"],
  ["com.microsoft:timeout", "unavailable", "ambiguous"],
  ["amqp:resource-limit-exceeded", "resource_exhausted", "unsent"],
])("an event that is rejected by %s: %s, %s", async (condition, reason, effect) => {
  const { namespace, output } = await sending();
  namespace.rejectSends = condition;
  const failed = output.invoke("create", {}, { data: "x" });
  await expect(failed).rejects.toMatchObject({ reason, effect, systemCode: condition });
});

test("an event that is too large: invalid_argument, and the link stays", async () => {
  const { hub, output } = await sending();
  const large = output.invoke("create", { partitionId: "0" }, { data: Buffer.alloc(1024 * 1024) });
  await expect(large).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
  await output.invoke("create", { partitionId: "0" }, { data: "small" });
  expect(hub.eventsOf("0")).toHaveLength(1);
});

test("a connection that is cut before the answer: ambiguous", async () => {
  const { namespace, output } = await sending();
  await output.invoke("create", {}, { data: "x" });
  void namespace.faults.arm({ frame: "disposition", from: "server", strike: "cut" });
  await expect(output.invoke("create", {}, { data: "y" })).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "ambiguous" },
  });
});

test("Entra ID: the client's token is put for the hub, over TLS", async () => {
  const certificates = makeCertificates();
  endAfterTest(() => certificates.remove());
  const entra = await EntraServer.start({ clientId: "shop", secret: "s3cret" });
  endAfterTest(() => entra[Symbol.asyncDispose]());
  const { cert, key } = certificates.server;
  const namespace = await startNamespace({ tls: { cert, key } });
  const scope = "https://servicebus.azure.net/.default";
  namespace.access.jwt = (token) => (entra.knows(token, scope) ? Date.now() + 60_000 : undefined);
  const properties = {
    eventHubNamespace: `127.0.0.1:${namespace.port}`,
    ...{ eventHub: "hub-1", caCert: certificates.ca },
    ...{ azureTenantId: entra.tenant, azureClientId: "shop", azureClientSecret: "s3cret" },
    azureAuthorityHost: entra.url,
  };
  await using output = await openOutput(eventhubs, properties);
  await output.invoke("create", {}, { data: "x" });
  expect(namespace.claims).toEqual(["sb://127.0.0.1/hub-1"]);
  namespace.access.jwt = () => undefined;
  await expect(openOutput(eventhubs, properties)).rejects.toMatchObject({
    reason: "unauthenticated",
  });
});

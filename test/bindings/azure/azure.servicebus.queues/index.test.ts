import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import type { Message } from "rhea";
import queues from "../../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { verdictOf } from "../../../servers/azure-messaging/tokens.ts";
import { endAfterTest } from "../../contract.ts";
import { openOutput } from "../../opened-output.ts";
import { startNamespace } from "../namespace.ts";

async function started(properties: Record<string, string> = {}) {
  const namespace = await startNamespace();
  const queueName = uniqueName("orders");
  const { connectionString } = namespace;
  const output = await openOutput(queues, { connectionString, queueName, ...properties });
  endAfterTest(async () => output[Symbol.asyncDispose]());
  const came = (): Message[] => namespace.queue(queueName).messages.map(({ message }) => message);
  return { namespace, queueName, output, came };
}

test("metadata are the message's properties, by the names of Dapr, and all others its application properties", async () => {
  const { output, came } = await started();
  await output.invoke(
    "create",
    {
      id: "m-1",
      correlationID: "c-1",
      SessionId: "s-1",
      PartitionKey: "s-1",
      Label: "order.created",
      ReplyTo: "answers",
      To: "orders",
      ContentType: "application/json",
      ttlInSeconds: "90",
      ScheduledEnqueueTimeUtc: "2030-01-01T12:00:00.5+01:00",
      region: "eu",
      traceparent: "00-1",
      empty: "",
    },
    { data: "{}" },
  );
  const [message] = came();
  expect(message).toMatchObject({
    message_id: "m-1",
    correlation_id: "c-1",
    group_id: "s-1",
    subject: "order.created",
    reply_to: "answers",
    to: "orders",
    content_type: "application/json",
    ttl: 90_000,
    message_annotations: {
      "x-opt-partition-key": "s-1",
      "x-opt-scheduled-enqueue-time": new Date("2030-01-01T11:00:00.500Z"),
    },
    application_properties: { region: "eu", traceparent: "00-1" },
  });
  expect(Object.keys(message?.application_properties ?? {})).toEqual(["region", "traceparent"]);
});

test("the id that has Dapr's own name comes first, and the empty session is one", async () => {
  const { output, came } = await started();
  await output.invoke("create", { MessageId: "one", id: "other", SessionId: "" });
  expect(came()[0]).toMatchObject({ message_id: "one", group_id: "" });
});

test.each([
  [
    { SessionId: "a", PartitionKey: "b" },
    "session id a and partition key b should be equal when both present",
  ],
  [{ ScheduledEnqueueTimeUtc: "tomorrow" }, "expected HTTP time format or RFC3339"],
  [{ MessageId: "m".repeat(129) }, "MessageId can have 128 characters"],
  [{ ContentType: "grün" }, "ContentType can have printable ASCII only"],
  [{ ttlInSeconds: "soon" }, "ttlInSeconds"],
])("create with %o is refused, and nothing is sent", async (metadata, message) => {
  const { output, came } = await started();
  const failure = (async () => output.invoke("create", metadata))();
  await expect(failure).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "rejected" },
    message: expect.stringContaining(message),
  });
  expect(came()).toEqual([]);
});

test.each([
  ["com.microsoft:server-busy", "resource_exhausted", "unsent"],
  ["com.microsoft:timeout", "unavailable", "ambiguous"],
  ["com.microsoft:entity-disabled", "failed_precondition", "rejected"],
  ["amqp:not-allowed", "permission_denied", "rejected"],
])("a service that says %s: %s, %s", async (condition, reason, effect) => {
  const { namespace, output } = await started();
  namespace.rejectSends = condition;
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason, effect, systemCode: condition },
  });
  namespace.rejectSends = undefined;
  await output.invoke("create", {}, { data: "x" });
});

test("a message that is larger than the queue takes is refused before it is sent", async () => {
  const { output, came } = await started();
  await expect(
    output.invoke("create", {}, { data: Buffer.alloc(1_100_000) }),
  ).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
  expect(came()).toEqual([]);
});

test("a service that is silent is given up after timeoutInSec", async () => {
  const { namespace, output } = await started({ timeoutInSec: "1" });
  const swallowed = namespace.faults.arm({
    ...{ frame: "disposition", from: "server", strike: "swallow", times: 1 },
  });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason: "deadline_exceeded", effect: "ambiguous" },
  });
  await swallowed;
});

test("too busy: repeated as often and as late as publishMaxRetries says", () => {
  const metadata = { publishMaxRetries: 2, publishInitialRetryIntervalInMs: 100 };
  expect(queues.retry?.outbound?.(metadata as never)).toMatchObject({ attempts: 3, initial: 100 });
});

async function api(answer: { status: number; body?: string }) {
  const requests: { request: IncomingMessage; body: string }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      requests.push({ request, body: Buffer.concat(parts).toString() });
      response.writeHead(answer.status).end(answer.body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endAfterTest(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests };
}

test("the queue is made by the HTTP API, with a signature and what the metadata say of it", async () => {
  const { url, requests } = await api({ status: 201 });
  const { queueName, namespace } = await started({
    ...{ managementUrl: url, lockDurationInSec: "30", maxDeliveryCount: "5" },
    ...{ ttlInSeconds: "60", autoDeleteOnIdleInSec: "300" },
  });
  expect(requests).toHaveLength(1);
  const [one] = requests;
  expect(one?.request).toMatchObject({
    method: "PUT",
    url: `/${queueName}?api-version=2021-05`,
    headers: { "content-type": "application/atom+xml" },
  });
  expect(one?.body).toContain(
    "<LockDuration>PT30S</LockDuration><DefaultMessageTimeToLive>PT60S</DefaultMessageTimeToLive><MaxDeliveryCount>5</MaxDeliveryCount><AutoDeleteOnIdle>PT300S</AutoDeleteOnIdle>",
  );
  const type = "servicebus.windows.net:sastoken";
  const token = one?.request.headers.authorization;
  const verdict = verdictOf(namespace.access, type, `${url}/${queueName}`, token, Date.now());
  expect(verdict).toHaveProperty("until");
});

test.each([409, 401, 403])(
  "an API that answers %i: the queue is taken to be there",
  async (status) => {
    const { url, requests } = await api({ status });
    const { output } = await started({ managementUrl: url });
    await output.invoke("create", {}, { data: "x" });
    expect(requests).toHaveLength(1);
  },
);

test("an API that fails says why, and disableEntityManagement asks it nothing", async () => {
  const { url, requests } = await api({
    status: 400,
    body: "<Error><Detail>bad name</Detail></Error>",
  });
  await expect(started({ managementUrl: url })).rejects.toMatchObject({
    ...{ reason: "invalid_argument", effect: "unsent", systemCode: "400" },
    message: expect.stringMatching(/^could not create queue orders-.*: bad name$/),
  });
  await started({ managementUrl: url, disableEntityManagement: "true" });
  expect(requests).toHaveLength(1);
});

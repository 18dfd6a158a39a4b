import { createRequire } from "node:module";
import { expect, test } from "vitest";
import type { Driver } from "../../../../src/amqp-client/driver.ts";
import queues from "../../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import { signatureOf } from "../../../../src/bindings/azure/messaging-credentials.ts";
import { NamespaceConnection } from "../../../../src/bindings/azure/messaging-namespace.ts";
import { readConnectionString } from "../../../../src/bindings/azure/messaging-connection-string.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { makeCertificates } from "../../certificates.ts";
import { endAfterTest } from "../../contract.ts";
import { handled, openQueue, until } from "../../opened-queue.ts";
import { startNamespace } from "../namespace.ts";

test("a signature is what Microsoft's reference makes of the same values", () => {
  // The string to sign is the encoded resource, a line feed and the expiry; HMAC-SHA256 by the key's own text.
  const signature = signatureOf(
    "sb://shop.servicebus.windows.net/orders",
    { name: "shop", value: "key" },
    1_700_000_000,
  );
  expect(signature).toMatch(
    /^SharedAccessSignature sr=sb%3A%2F%2Fshop\.servicebus\.windows\.net%2Forders&sig=[\w%]+&se=1700000000&skn=shop$/,
  );
});

test.each([
  [
    "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b=",
    { host: "shop.servicebus.windows.net", entity: undefined, isEmulator: false },
  ],
  [
    "endpoint=sb://here:5673;sharedaccesskeyname=a;SHAREDACCESSKEY=b;EntityPath=orders;UseDevelopmentEmulator=true",
    { host: "here", port: 5673, entity: "orders", isEmulator: true },
  ],
  [
    "Endpoint=sb://here;SharedAccessSignature=SharedAccessSignature sr=x&sig=y&se=1&skn=z",
    { signature: "SharedAccessSignature sr=x&sig=y&se=1&skn=z" },
  ],
])("%s is read", (text, expected) => {
  expect(readConnectionString(text)).toMatchObject(expected);
});

test.each([
  "",
  "nonsense",
  "Endpoint=sb://here",
  "Endpoint=://;SharedAccessKeyName=a;SharedAccessKey=b",
])("%j is no connection string, and is not quoted", (text) => {
  expect(() => readConnectionString(text)).toThrow(/^the metadata connectionString is not valid: /);
});

test.each([
  [{ connectionString: "x", namespaceName: "y" }, "cannot both be specified"],
  [{}, "either one of connection string or namespace name are required"],
  [{ namespaceName: "shop", queueName: "a b" }, "queueName can have"],
])("%o is found by check", async (given, problem) => {
  const metadata = { queueName: "orders", ...given };
  const problems = await queues.check?.(metadata as never, { input: true, output: true });
  expect(problems?.join()).toContain(problem);
});

test("a key that is wrong: unauthenticated, and nothing is shown of it", async () => {
  const namespace = await startNamespace();
  const connectionString = namespace.connectionString.replace(
    /SharedAccessKey=[^;]*/,
    "SharedAccessKey=wrong",
  );
  await expect(openQueue(queues, { connectionString, queueName: "orders" })).rejects.toMatchObject({
    ...{ reason: "unauthenticated", effect: "unsent", systemCode: "401" },
    message: expect.not.stringContaining("SharedAccessKey"),
  });
});

test("a node that may not be used is denied where it is used: one direction needs no right for the other", async () => {
  const namespace = await startNamespace();
  namespace.refusals.set("orders", "amqp:unauthorized-access");
  const { connectionString } = namespace;
  const queue = await openQueue(queues, { connectionString, queueName: "orders" });
  await queue.ping();
  await expect(queue.create("x")).rejects.toMatchObject({
    reason: "permission_denied",
    effect: "unsent",
  });
  await expect(queue.read()).rejects.toMatchObject({ reason: "permission_denied" });
});

test("a token is renewed before it ends", async () => {
  const namespace = await startNamespace();
  const { keyName: name, key: value } = namespace.access;
  const rhea = createRequire(import.meta.url);
  const signal = AbortSignal.timeout(20_000);
  let made = 0;
  const connection = await NamespaceConnection.open({
    driver: {
      rhea: rhea("rhea") as Driver["rhea"],
      frames: rhea("rhea/lib/frames.js") as Driver["frames"],
    },
    address: {
      ...{ host: "127.0.0.1", port: namespace.port, tls: undefined, hostname: "127.0.0.1" },
      sasl: { mechanism: "ANONYMOUS", response: Buffer.alloc(0) },
    },
    credentials: {
      async claim(audience) {
        // The first ends soon.
        const until = Date.now() + (made++ === 0 ? 1100 : 60_000);
        const token = signatureOf(audience, { name, value }, Math.ceil(until / 1000));
        return { type: "servicebus.windows.net:sastoken", token, until };
      },
      refused() {},
    },
    containerId: "test",
    idleTimeout: 30_000,
    ...{ signal, lost() {} },
  });
  endAfterTest(() => connection.close());
  await Promise.all([
    connection.authorize("orders", signal),
    connection.authorize("orders", signal),
  ]);
  expect(namespace.claims).toEqual(["sb://127.0.0.1/orders"]);
  await until(() => namespace.claims.length === 2);
});

test("a signature that was made before cannot be renewed: the service ends the link, which is told", async () => {
  const namespace = await startNamespace();
  const { keyName: name, key: value } = namespace.access;
  const soon = Math.ceil(Date.now() / 1000) + 1;
  const signature = signatureOf(`sb://127.0.0.1/orders`, { name, value }, soon);
  const connectionString = `Endpoint=sb://127.0.0.1:${namespace.port};SharedAccessSignature=${signature};UseDevelopmentEmulator=true`;
  const queue = await openQueue(queues, { connectionString, queueName: "orders" });
  const { losses } = await queue.read(() => handled);
  await until(() => losses.length === 1);
  expect(losses[0]).toMatchObject({ systemCode: "amqp:unauthorized-access" });
});

test("Entra ID: the client's token is put for the queue, over TLS", async () => {
  const certificates = makeCertificates();
  endAfterTest(() => certificates.remove());
  const entra = await EntraServer.start({ clientId: "shop", secret: "s3cret" });
  endAfterTest(() => entra[Symbol.asyncDispose]());
  const { cert, key } = certificates.server;
  const namespace = await startNamespace({ tls: { cert, key } });
  const scope = "https://servicebus.azure.net/.default";
  namespace.access.jwt = (token) => (entra.knows(token, scope) ? Date.now() + 60_000 : undefined);
  const properties = {
    namespaceName: `127.0.0.1:${namespace.port}`,
    queueName: "orders",
    disableEntityManagement: "true",
    caCert: certificates.ca,
    azureTenantId: entra.tenant,
    azureClientId: "shop",
    azureClientSecret: "s3cret",
    azureAuthorityHost: entra.url,
  };
  const queue = await openQueue(queues, properties);
  const { events } = await queue.read(() => handled);
  await queue.create("x");
  await until(() => events.length === 1);
  expect(namespace.claims).toEqual(["sb://127.0.0.1/orders"]);
  namespace.access.jwt = () => undefined;
  await expect(openQueue(queues, properties)).rejects.toMatchObject({ reason: "unauthenticated" });
});

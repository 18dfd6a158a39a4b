import { describe, expect, onTestFinished, test, vi } from "vitest";
import storageQueues from "../../../../src/bindings/azure/azure.storagequeues/index.ts";
import { EntraServer } from "../../../servers/entra.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { startLoopback } from "../../http/loopback-server.ts";
import { fakeStorage, messages, refusal } from "../fake-storage.ts";
import { makeQueue, queueProperties } from "../queue-source.ts";

const soon = { timeout: 20_000, interval: 5 };
const unsettled = { outcome: "returned", reason: "the end" } as const;

describeWith("azurite-queue", (server) => {
  describe("create", () => {
    test("makes the queue, and sends the data as Dapr does", async () => {
      const queue = await makeQueue(server, { create: false });
      await using output = await openOutput(storageQueues, queue.properties);
      await output.invoke("create", {}, { data: '"quoted \\u00fc"' });
      const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: 32 });
      expect(receivedMessageItems.map(({ messageText }) => messageText)).toEqual(["quoted ü"]);
      const [first] = receivedMessageItems;
      const life = Number(first?.expiresOn) - Number(first?.insertedOn);
      expect(life).toBe(600_000);
    });

    test("sends every text that XML has as it is", async () => {
      const queue = await makeQueue(server);
      const data = ' a<b> & "c"\'\r\n\r\t]]>d\u{1f600}&amp; ';
      await using output = await openOutput(storageQueues, queue.properties);
      await output.invoke("create", {}, { data });
      const input = await openInput(storageQueues, queue.properties);
      expect(Buffer.from((await input.next()).data ?? []).toString()).toBe(data);
    });

    test("encodes in base64, and takes times from the component and the call", async () => {
      const queue = await makeQueue(server);
      const properties = { ...queue.properties, encodeBase64: "true", ttlInSeconds: "60" };
      await using output = await openOutput(storageQueues, properties);
      await output.invoke("create", {}, { data: Uint8Array.of(0, 255) });
      await output.invoke("create", { TTL: "1h" }, { data: "b" });
      await output.invoke("create", { ttlInSeconds: "90" }, { data: "c" });
      await output.invoke("create", { ttl: "2h", initialVisibilityDelay: "1h" }, { data: "later" });
      const { receivedMessageItems: all } = await queue.receiveMessages({ numberOfMessages: 32 });
      const lives = all.map(({ messageText, insertedOn, expiresOn }) => [
        messageText,
        (Number(expiresOn) - Number(insertedOn)) / 1000,
      ]);
      expect(lives).toEqual([
        ["AP8=", 60],
        ["Yg==", 3600],
        ["Yw==", 90],
      ]);
    });

    test.each<[Record<string, string>, string | Uint8Array, RegExp]>([
      [{ ttlInSeconds: "-1" }, "x", /^ttl value must be higher than zero: actual is '-1'$/],
      [{ ttl: "soon" }, "x", /^ttl value must be a valid integer: actual is 'soon'$/],
      [{ initialVisibilityDelay: "soon" }, "x", /^invalid value for initialVisibilityDelay: /],
      [{ initialVisibilityDelay: "240h" }, "x", /^sending to queue [\w-]+: OutOfRangeQuery/],
      [{}, Uint8Array.of(0xff), /no UTF-8; set encodeBase64/],
      [{}, "a\0b", /without control characters; set encodeBase64/],
      [{}, "x".repeat(65_537), /^sending to queue [\w-]+: \w+/],
    ])("%j with %j is refused", async (metadata, data, text) => {
      const queue = await makeQueue(server);
      await using output = await openOutput(storageQueues, queue.properties);
      const failure = { effect: "rejected", message: expect.stringMatching(text) as unknown };
      await expect(output.invoke("create", metadata, { data })).rejects.toMatchObject(failure);
    });

    test("of a queue that was deleted is a failure with Azure's code", async () => {
      const queue = await makeQueue(server);
      await using output = await openOutput(storageQueues, queue.properties);
      await queue.delete();
      await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
        ...{ reason: "not_found", effect: "rejected", systemCode: "QueueNotFound" },
        message: expect.stringMatching(/^sending to queue [\w-]+: QueueNotFound: /) as unknown,
      });
    });
  });

  describe("as an input", () => {
    test("a message that is held stays invisible, and is given back at the end", async () => {
      const queue = await makeQueue(server);
      await queue.sendMessage("held");
      const input = await openInput(storageQueues, {
        ...queue.properties,
        visibilityTimeout: "1s",
        pollingInterval: "1h",
      });
      const event = await input.next();
      expect(event).toMatchObject({ attempt: 1, redelivered: false, lease: { duration: 1000 } });
      await event.lease?.extend?.();
      const isSeen = async (): Promise<boolean> =>
        (await queue.peekMessages()).peekedMessageItems.length > 0;
      expect(await isSeen()).toBe(false);
      event.settle(unsettled);
      await input.close();
      expect(await isSeen()).toBe(true);
      const again = await openInput(storageQueues, queue.properties);
      expect(await again.next()).toMatchObject({ attempt: 2, redelivered: true });
    });

    test("what is unsettled at the end is visible at once", async () => {
      const queue = await makeQueue(server);
      await queue.sendMessage("held");
      const input = await openInput(storageQueues, queue.properties);
      await input.next();
      await input.close();
      expect((await queue.peekMessages()).peekedMessageItems).toHaveLength(1);
    });

    test("a message that somebody else was given cannot be kept", async () => {
      const queue = await makeQueue(server);
      await queue.sendMessage("lost");
      const properties = { ...queue.properties, visibilityTimeout: "1s", pollingInterval: "1h" };
      const input = await openInput(storageQueues, properties);
      const event = await input.next();
      await vi.waitFor(async () => {
        const { receivedMessageItems } = await queue.receiveMessages();
        expect(receivedMessageItems).toHaveLength(1);
      }, soon);
      await expect(event.lease?.extend?.()).rejects.toMatchObject({
        ...{ reason: "aborted", effect: "rejected", systemCode: "MessageNotFound" },
      });
      event.settle(unsettled);
    });

    test("takes no more than there is room for, and the rest as room comes", async () => {
      const queue = await makeQueue(server);
      const texts = Array.from({ length: 40 }, (_, n) => String(n));
      await Promise.all(texts.map((text) => queue.sendMessage(text)));
      const input = await openInput(storageQueues, queue.properties);
      input.reader.credit?.(5);
      await vi.waitFor(() => expect(input.events.length).toBeGreaterThan(4), soon);
      for (let at = 0; at < texts.length; at++) {
        const event = await input.next();
        event.settle({ outcome: "handled" });
      }
      await input.reader.flush();
      const came = input.events.map(({ data }) => Buffer.from(data ?? []).toString());
      expect(came.toSorted()).toEqual(texts.toSorted());
      expect((await queue.getProperties()).approximateMessagesCount).toBe(0);
    });

    test("a text that is no base64 is delivered as it is", async () => {
      const queue = await makeQueue(server);
      await queue.sendMessage("no base64!");
      await queue.sendMessage("aGVs\r\nbG8=");
      const input = await openInput(storageQueues, { ...queue.properties, decodeBase64: "true" });
      expect(Buffer.from((await input.next()).data ?? []).toString()).toBe("no base64!");
      expect(Buffer.from((await input.next()).data ?? []).toString()).toBe("hello");
    });
  });
});

test.each<[Record<string, string>, string]>([
  [{ pollingInterval: "99ms" }, "invalid value for 'pollingInterval': must be greater than 100ms"],
  [{ queueName: "../other" }, "queueName may have letters"],
  [{ accountName: "a/b" }, "accountName may have letters"],
  [{ accountKey: "no base64!" }, "invalid shared key credentials with error"],
  [{ ttl: "soon" }, "ttl value must be a valid integer: actual is 'soon'"],
])("a component with %j is refused", async (more, text) => {
  const properties = { ...queueProperties({ url: "http://127.0.0.1:1" }, "orders"), ...more };
  await expect(openOutput(storageQueues, properties)).rejects.toThrow(text);
});

describe("permissions", () => {
  test("to send are all that an output needs", async () => {
    const denied = refusal("AuthorizationPermissionMismatch");
    const server = await fakeStorage((method, path) =>
      method === "POST" && path.startsWith("/orders/messages?")
        ? { status: 201 }
        : { status: 403, body: denied },
    );
    await using output = await openOutput(storageQueues, queueProperties(server, "orders"));
    await output.invoke("create", {}, { data: "x" });
    await expect(output.ping()).rejects.toMatchObject({
      ...{ reason: "permission_denied", effect: "rejected" },
    });
  });

  test("to read and to delete are all that an input needs", async () => {
    const denied = { status: 403, body: refusal("AuthorizationPermissionMismatch") };
    const deleted: string[] = [];
    let asked = 0;
    const server = await fakeStorage((method, path) => {
      if (method === "GET" && path.startsWith("/orders/messages?")) {
        const body = asked++ === 0 ? messages({ id: "m-1", text: "x" }) : messages();
        return { status: 200, body };
      }
      if (method === "DELETE") deleted.push(path);
      return method === "DELETE" ? { status: 204 } : denied;
    });
    const input = await openInput(storageQueues, queueProperties(server, "orders"));
    const event = await input.next();
    // It may be kept no longer, and is the app's until its time is over.
    await expect(event.lease?.extend?.()).rejects.toMatchObject({ effect: "unsent" });
    event.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(deleted).toEqual(["/orders/messages/m-1?popreceipt=receipt%20m-1"]);
    expect(input.events).toHaveLength(1);
  });
});

describe("Entra ID", () => {
  const clientId = "c7dd251f-811f-4ba2-a905-acd4d3f8f08b";

  test("gives the token of each request, and another when one is refused", async () => {
    await using entra = await EntraServer.start({ clientId, secret: "s3cret" });
    const refused = new Set<string>();
    const server = await fakeStorage((_method, _path, authorization) => {
      const token = authorization.replace("Bearer ", "");
      const isKnown = entra.knows(token, "https://storage.azure.com/.default");
      if (isKnown && !refused.has(token)) return { status: 201 };
      return { status: 401, body: refusal("InvalidAuthenticationInfo") };
    });
    await using output = await openOutput(storageQueues, {
      ...{ accountName: "shop", queueName: "orders", endpoint: server.url },
      ...{ azureTenantId: entra.tenant, spnClientId: clientId, clientSecret: "s3cret" },
      azureAuthorityHost: entra.url,
    });
    await output.invoke("create", {}, { data: "x" });
    expect(entra.given).toHaveLength(1);
    refused.add(entra.given[0]?.token ?? "");
    await output.invoke("create", {}, { data: "x" });
    expect(entra.given).toHaveLength(2);
    expect(server.received.map(({ headers }) => headers["x-ms-version"])).toContain("2021-12-02");
  });
});

describe("failures of an input", () => {
  test("an empty queue is asked again only after the interval", async () => {
    const asked: number[] = [];
    const server = await fakeStorage((method) => {
      if (method === "GET") asked.push(performance.now());
      return { status: 200, body: messages() };
    });
    await openInput(storageQueues, queueProperties(server, "orders"));
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(3), soon);
    const pauses = asked.slice(1).map((at, n) => at - (asked[n] ?? 0));
    // A timer may be a millisecond early.
    expect(Math.min(...pauses)).toBeGreaterThan(95);
  });

  test("a message whose deletion was not confirmed is deleted, not delivered, when it comes again", async () => {
    const deleted: string[] = [];
    let isAway = true;
    let asked = 0;
    const server = await fakeStorage((method, path) => {
      if (method === "DELETE" && isAway) return { status: 503, body: refusal("ServerBusy") };
      if (method === "DELETE") deleted.push(path);
      const isFirst = method === "GET" && asked++ === 0;
      const isAgain = method === "GET" && !isAway && deleted.length === 0;
      const body = isFirst || isAgain ? messages({ id: "m-1", text: "x" }) : messages();
      return { status: 200, body };
    });
    const properties = queueProperties(server, "orders");
    const input = await openInput(storageQueues, properties);
    (await input.next()).settle({ outcome: "handled" });
    expect(await input.lost).toMatchObject({
      ...{ reason: "resource_exhausted", systemCode: "ServerBusy" },
    });
    await input.reader.stop();
    await expect(input.reader.flush()).rejects.toThrow("ServerBusy");
    isAway = false;
    const again = await openInput(storageQueues, properties);
    await vi.waitFor(() => expect(deleted).toHaveLength(1), soon);
    expect(again.events).toEqual([]);
  });

  test("a service that answers nothing any more does not keep the reading from its end", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let asked = 0;
    const server = await startLoopback(({ method }, response) => {
      if (method === "DELETE") return;
      const body = method === "GET" && asked++ === 0 ? messages({ id: "m-2", text: "x" }) : "";
      response.end(body || messages());
    });
    onTestFinished(async () => server[Symbol.asyncDispose]());
    const input = await openInput(storageQueues, queueProperties(server, "orders"));
    (await input.next()).settle({ outcome: "handled" });
    const methods = () => server.received.map(({ method }) => method);
    await vi.waitFor(() => expect(methods()).toContain("DELETE"), soon);
    await input.reader.stop();
    const flushed = expect(input.reader.flush()).rejects.toThrow("context canceled");
    await vi.advanceTimersByTimeAsync(7_000);
    await flushed;
  });

  test("what is no list of messages ends the reading", async () => {
    const server = await fakeStorage(() => ({ status: 200, body: "<html>" }));
    const input = await openInput(storageQueues, queueProperties(server, "orders"));
    expect(await input.lost).toMatchObject({ reason: "internal", effect: "ambiguous" });
  });
});

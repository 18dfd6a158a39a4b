import { expect, test, vi } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { endAfterTest } from "../contract.ts";
import { openOutput } from "../opened-output.ts";
import { bodyOf, connectPeer } from "./peer.ts";
import { startStandIn } from "./stand-in.ts";

async function opened(properties: Record<string, string>) {
  const output = await openOutput(amqp, properties);
  endAfterTest(async () => output[Symbol.asyncDispose]());
  return output;
}

describeWith("artemis", (server) => {
  async function place(properties: Record<string, string> = {}) {
    const address = uniqueName("orders");
    const all = { url: server.url, address, capability: "queue", ...properties };
    return { address, peer: await connectPeer(server.url), output: await opened(all) };
  }

  test("everything that a request can say arrives", async () => {
    const { address, peer, output } = await place({ contentType: "text/plain" });
    const before = Date.now();
    await output.invoke(
      "create",
      {
        messageId: "m-1",
        correlationId: "c-1",
        contentType: "text/x",
        contentEncoding: "identity",
        subject: "order.created",
        to: "elsewhere",
        replyTo: "answers",
        groupId: "g-1",
        groupSequence: "3",
        replyToGroupId: "g-2",
        priority: "7",
        ttl: "1h",
        "header:text": "grün\r\nx",
        "header:__proto__": "own",
        "annotation:x-opt-long": "9223372036854775807",
        "annotation:x-opt-flag": "true",
        "annotation:x-opt-text": "01",
      },
      { data: "hello" },
    );
    const [came] = await peer.receive(address, 1);
    const message = came?.message;
    expect(message).toMatchObject({
      durable: true,
      priority: 7,
      message_id: "m-1",
      correlation_id: "c-1",
      content_type: "text/x",
      content_encoding: "identity",
      subject: "order.created",
      to: "elsewhere",
      reply_to: "answers",
      group_id: "g-1",
      group_sequence: 3,
      reply_to_group_id: "g-2",
    });
    expect(message?.ttl).toBeGreaterThan(3_500_000);
    expect(Number(message?.creation_time)).toBeGreaterThanOrEqual(before);
    expect(Object.entries(message?.application_properties ?? {})).toContainEqual([
      ...["text", "grün\r\nx"],
    ]);
    expect(message?.message_annotations).toMatchObject({
      "x-opt-flag": true,
      "x-opt-text": "01",
      "x-opt-long": Buffer.from("7fffffffffffffff", "hex"),
    });
    expect(came && bodyOf(came).toString()).toBe("hello");
  });

  test("what the component says where the request does not", async () => {
    const { address, peer, output } = await place({
      ...{ contentType: "text/plain", durable: "false", bodyType: "string" },
    });
    await output.invoke("create", {}, { data: "grün" });
    await output.invoke("create", { durable: "true", bodyType: "data" }, { data: "x" });
    const [first, second] = await peer.receive(address, 2);
    expect(first?.message).toMatchObject({ content_type: "text/plain", body: "grün" });
    expect(first?.message?.durable ?? false).toBe(false);
    expect(second?.message?.durable).toBe(true);
    expect(second && bodyOf(second).toString()).toBe("x");
  });

  test("an address of the call's own", async () => {
    const { peer, output, address } = await place();
    const other = uniqueName("other");
    await output.invoke("create", { address: other }, { data: "x" });
    expect(await peer.receive(other, 1)).toHaveLength(1);
    expect(await peer.count(address)).toBe(0);
  });

  test("no data is an empty body", async () => {
    const { address, peer, output } = await place();
    await output.invoke("create");
    const [came] = await peer.receive(address, 1);
    expect(came && bodyOf(came).length).toBe(0);
  });

  test("a large message", async () => {
    const { address, peer, output } = await place();
    const data = Buffer.alloc(5_000_000, "0123456789");
    await output.invoke("create", {}, { data });
    const [came] = await peer.receive(address, 1);
    expect(came && bodyOf(came).equals(data)).toBe(true);
  });

  test("a user that may only send to what is there: opens, pings, sends; all else is denied", async () => {
    const url = server.url.replace("admin:admin", "worker:worker");
    const { output } = await place({ url, address: "jobs" });
    await output.ping();
    await output.invoke("create", {}, { data: "x" });
    for (const address of [uniqueName("closed.orders"), uniqueName("nosuch")]) {
      await expect(output.invoke("create", { address }, { data: "x" })).rejects.toMatchObject({
        ...{ reason: "permission_denied", effect: "unsent" },
        message: expect.stringContaining("CREATE_ADDRESS"),
      });
    }
    await output.invoke("create", {}, { data: "x" });
    await (await connectPeer(server.url)).receive("jobs", 2);
  });

  test("a full queue refuses, and takes messages again once there is room", async () => {
    const address = uniqueName("full.orders");
    const { peer, output } = await place({ address });
    const data = Buffer.alloc(8000);
    let sent = 0;
    let failure: unknown;
    for (; failure === undefined && sent < 20; sent++)
      failure = await output.invoke("create", {}, { data, signal: AbortSignal.timeout(2000) }).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(failure).toMatchObject({ reason: "resource_exhausted", effect: "unsent" });
    await peer.receive(address, sent - 1);
    await vi.waitFor(() => output.invoke("create", {}, { data }), { timeout: 10_000 });
  });

  test("a wrong password", async () => {
    const url = server.url.replace("admin:admin", "admin:wrong");
    await expect(opened({ url, address: "orders" })).rejects.toMatchObject({
      reason: "unauthenticated",
      effect: "unsent",
      message: expect.stringContaining("SASL PLAIN"),
    });
  });

  test("nobody in particular", async () => {
    const { address, peer, output } = await place({
      url: server.url.replace("admin:admin@", ""),
      saslMechanism: "anonymous",
    });
    await output.invoke("create", {}, { data: "x" });
    expect(await peer.receive(address, 1)).toHaveLength(1);
  });
});

test.each([
  ["a group sequence that is no number", { groupSequence: "x" }, "integer"],
  ["a priority above 255", { priority: "256" }, "from 0 to 255"],
  ["a time to live of nothing", { ttl: "0s" }, "longer than zero"],
  ["a body type that there is not", { bodyType: "map" }, "data, string"],
  ["an address with a line break", { address: "a\nb" }, "control characters"],
  ["an address that is too long", { address: "a".repeat(5000) }, "4096"],
  ["a content type that is no ASCII", { contentType: "grün" }, "ASCII"],
  ["an annotation's name with a line break", { "annotation:a\nb": "x" }, "ASCII"],
  ["a body that is no text", { bodyType: "string" }, "UTF-8"],
])("%s: refused, nothing is sent", async (_, metadata, text) => {
  const server = await startStandIn();
  const output = await opened({ url: server.url, address: "orders" });
  const call = async () => output.invoke("create", metadata, { data: Buffer.from([255]) });
  await expect(call()).rejects.toMatchObject({
    message: expect.stringContaining(text),
    effect: "rejected",
  });
  await output.invoke("create", {}, { data: "after" });
  expect(server.received).toHaveLength(1);
});

test("any text as a header's name or value, whole", async () => {
  const server = await startStandIn();
  const output = await opened({ url: server.url, address: "orders" });
  const hostile = ["\r\nx: y", "\0", `"'`, "../..", "x".repeat(65_536)];
  for (const text of hostile) {
    await output.invoke("create", { [`header:${text}`]: text, subject: text, groupId: text });
    const message = server.received.at(-1)?.message;
    expect(message?.application_properties).toEqual({ [text]: text });
    expect(message).toMatchObject({ subject: text, group_id: text });
  }
});

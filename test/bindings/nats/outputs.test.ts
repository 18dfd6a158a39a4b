import { headers, type Msg } from "@nats-io/transport-node";
import { expect, onTestFinished, test, vi } from "vitest";
import nats from "../../../src/bindings/nats/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import { endAfterTest } from "../contract.ts";
import { openOutput, textOf } from "../opened-output.ts";
import { makeStream, natsClient, type NatsClient } from "./contract-source.ts";

const eventually = { timeout: 15_000, interval: 10 };

/** All that reaches the server on a subject, acknowledgements of streams and all. */
async function listen(client: NatsClient, subject: string): Promise<Msg[]> {
  const received: Msg[] = [];
  await client.run(async (connection) => {
    const listening = connection.subscribe(subject, {
      callback: (_, message) => void received.push(message),
    });
    endAfterTest(() => listening.unsubscribe());
    await connection.flush();
  });
  return received;
}

describeWith("nats", (server) => {
  async function opened(more: Record<string, string> = {}, signal?: AbortSignal) {
    const output = await openOutput(
      nats,
      { servers: server.url, stream: "none", consumer: "none", ...more },
      signal,
    );
    onTestFinished(() => output[Symbol.asyncDispose]());
    return output;
  }

  test("create tells where the stream has the message, and stores one id once", async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    const output = await opened({ subject: `${stream}.default` });
    const received = await listen(client, `${stream}.>`);
    const first = await output.invoke(
      "create",
      { msgId: "m-1", "header:X-a": "grün" },
      { data: "1" },
    );
    expect(first).toEqual({ metadata: { stream, sequence: "1" } });
    const again = await output.invoke("create", { msgId: "m-1" }, { data: "2" });
    expect(again?.metadata).toEqual({ stream, sequence: "1", duplicate: "true" });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await output.invoke("create", { subject: `${stream}.own`, traceparent });
    await vi.waitFor(() => expect(received).toHaveLength(3), eventually);
    expect(received.map(({ subject }) => subject)).toEqual([
      ...[`${stream}.default`, `${stream}.default`, `${stream}.own`],
    ]);
    expect(received[0]?.headers?.get("X-a")).toBe("grün");
    expect(received[2]?.headers?.get("traceparent")).toBe(traceparent);
    expect(received[2]?.data).toHaveLength(0);
  });

  test("what is expected of the stream is demanded", async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    const output = await opened({ subject: `${stream}.a` });
    const create = (metadata: Record<string, string>) => output.invoke("create", metadata);
    await create({ msgId: "m-1", expectedStream: stream, expectedLastSequence: "0" });
    await create({ expectedLastSubjectSequence: "1", expectedLastMsgId: "m-1" });
    for (const [metadata, code] of [
      [{ expectedStream: "OTHER" }, "10060"],
      [{ expectedLastSequence: "0" }, "10071"],
      [{ expectedLastSubjectSequence: "7" }, "10071"],
      [{ expectedLastMsgId: "m-7" }, "10070"],
    ] as const) {
      await expect(create(metadata)).rejects.toMatchObject({
        ...{ reason: "failed_precondition", effect: "rejected", systemCode: code },
      });
    }
  });

  test.each([
    ["create", { subject: "a b" }, "spaces"],
    ["create", { subject: "a\r\nPUB b 0\r\n" }, "spaces"],
    ["create", { subject: "a.*" }, "wildcards"],
    ["create", { subject: "$JS.API.STREAM.PURGE.ORDERS" }, "a call may not name"],
    ["create", {}, "no subject"],
    ["create", { subject: "a", "header:a b": "x" }, "no header's name"],
    ["create", { subject: "a", "header:": "x" }, "needs a name behind it"],
    ["create", { subject: "a", "header:X": "x\r\nY: z" }, "line break"],
    ["create", { subject: "a", "header:X": "x\0" }, "line break"],
    ["create", { subject: "a", "header:Nats-Msg-Id": "x" }, "the server's own"],
    ["create", { subject: "a", msgId: "x\r\nNats-Rollup: all" }, "line break"],
    ["create", { subject: "a", expectedStream: "x\n" }, "line break"],
    ["create", { subject: "a", expectedLastSequence: "x" }, "is not an integer"],
    ["publish", { subject: "x".repeat(65_536) }, "bytes"],
    ["publish", { subject: "a..b" }, "empty part"],
    ["request", { subject: "a", timeout: "soon" }, "is not a duration"],
    ["request", { subject: "a", timeout: "0s" }, "longer than zero"],
    ["request", { subject: "" }, "no subject"],
  ])("%s of %j is refused, and nothing is sent", async (operation, metadata, message) => {
    const client = natsClient(server);
    const output = await opened();
    const received = await listen(client, "a");
    const refused = (async () => output.invoke(operation, metadata))();
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    await output.ping();
    expect(received).toEqual([]);
  });

  test.each(["create", "publish", "request"])("%s of too much is refused", async (operation) => {
    const output = await opened({ subject: "a" });
    const data = new Uint8Array(1024 ** 2 - 10);
    const refused = output.invoke(operation, { "header:X": "12345" }, { data });
    await expect(refused).rejects.toThrow(
      /^the message has \d+ bytes, and the server takes 1048576/,
    );
    await output.ping();
  });

  test("a subject that no stream takes is said so; one that somebody else answers, too", async () => {
    const client = natsClient(server);
    const output = await opened();
    const subject = uniqueName("nowhere");
    await expect(output.invoke("create", { subject })).rejects.toMatchObject({
      ...{ reason: "not_found", effect: "unsent", systemCode: "503" },
      message: `storing a message of ${subject}: no stream takes its subject`,
    });
    await client.run(async (connection) => {
      connection.subscribe(subject, { callback: (_, message) => void message.respond("[1]") });
      await connection.flush();
    });
    await expect(output.invoke("create", { subject })).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "ambiguous" },
    });
  });

  test("publish reaches who listens, and succeeds where nobody does", async () => {
    const client = natsClient(server);
    const subject = uniqueName("news");
    const output = await opened({ subject });
    expect(await output.invoke("publish", {}, { data: "nobody" })).toBeUndefined();
    const received = await listen(client, subject);
    const data = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    await output.invoke("publish", { "header:a": "1" }, { data });
    await vi.waitFor(() => expect(received).toHaveLength(1), eventually);
    expect(Buffer.from(received[0]?.data ?? []).equals(data)).toBe(true);
    expect(received[0]?.headers?.get("a")).toBe("1");
  });

  test("request answers what the service answers, with its headers", async () => {
    const client = natsClient(server);
    const subject = uniqueName("service");
    await client.run(async (connection) => {
      connection.subscribe(subject, {
        callback(_, message) {
          const text = message.string();
          const more = headers();
          more.append("X-a", "grün");
          if (text === "fail") {
            more.append("Nats-Service-Error", "no such order");
            more.append("Nats-Service-Error-Code", "404");
          }
          if (text !== "silence") message.respond(`${text}!`, { headers: more });
        },
      });
      await connection.flush();
    });
    const output = await opened({ subject, timeout: "300ms" });
    const answer = await output.invoke("request", {}, { data: "hello" });
    expect(textOf(answer)).toBe("hello!");
    expect(answer?.metadata).toEqual({ "header:X-a": "grün" });
    await expect(output.invoke("request", {}, { data: "fail" })).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "rejected", systemCode: "404" },
      message: `${subject} answered 404: no such order`,
    });
    await expect(output.invoke("request", {}, { data: "silence" })).rejects.toMatchObject({
      ...{ reason: "deadline_exceeded", effect: "ambiguous" },
    });
    await expect(output.invoke("request", { subject: uniqueName("none") })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "unsent", systemCode: "503" },
    });
    const going = new AbortController();
    const call = output.invoke(
      "request",
      { timeout: "20s" },
      { data: "silence", signal: going.signal },
    );
    call.catch(() => {});
    going.abort();
    await expect(call).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
  });

  test("a full stream refuses", async () => {
    const client = natsClient(server);
    const stream = await makeStream(client, { max_msgs: 1, discard: "new" });
    const output = await opened({ subject: `${stream}.a` });
    await output.invoke("create");
    const received = await listen(client, `${stream}.>`);
    await expect(output.invoke("create")).rejects.toMatchObject({
      ...{ reason: "resource_exhausted", effect: "rejected", systemCode: "10077" },
    });
    await vi.waitFor(() => expect(received).toHaveLength(1), eventually);
  });

  test("a server that says nothing leaves the caller in doubt", async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    const proxy = await startProxy(server);
    endAfterTest(async () => proxy[Symbol.asyncDispose]());
    const servers = `${proxy.host}:${proxy.port}`;
    const output = await opened({ servers, subject: `${stream}.a`, timeout: "200ms" });
    proxy.stall();
    for (const operation of ["create", "publish", "request"])
      await expect(output.invoke(operation)).rejects.toMatchObject({
        ...{ reason: "deadline_exceeded", effect: "ambiguous" },
      });
  });
});

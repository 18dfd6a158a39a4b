import { resolve } from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test, vi } from "vitest";
import kubemq from "../../../src/bindings/kubemq/index.ts";
import { kubemqMethods } from "../../../src/bindings/kubemq/messages.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { buildDescriptors } from "../../servers/grpc-process.ts";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { endAfterTest } from "../contract.ts";
import { differences } from "../grpc-messages.ts";
import { openInput } from "../opened-input.ts";
import { openOutput } from "../opened-output.ts";

const soon = { timeout: 20_000, interval: 5 };
const textOf = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString();

type Server = { readonly host: string; readonly port: number };

function place(server: Server, token?: string) {
  const client = kubemqClient(server, token);
  endAfterTest(() => client.close());
  const channel = uniqueName("orders");
  const properties = {
    ...{ address: `${server.host}:${server.port}`, channel },
    ...(token === undefined ? {} : { authToken: token }),
  };
  return {
    ...{ client, channel, properties },
    send: async (...texts: string[]) => {
      for (const text of texts) await client.send(channel, text);
    },
    read: (more: Record<string, string> = {}) => openInput(kubemq, { ...properties, ...more }),
  };
}

describeWith("kubemq", (server) => {
  test("create: sends the data, with the policies of the call", async () => {
    const { client, channel, properties } = place(server);
    await using output = await openOutput(kubemq, properties);
    expect(await output.invoke("create", {}, { data: Buffer.of(0, 255) })).toEqual({});
    await output.invoke("create", { delaySeconds: "60" }, { data: "late" });
    await output.invoke("create", { delaySeconds: "-1", expirationSeconds: "x" }, { data: "y" });
    expect(await client.receive(channel)).toEqual([Buffer.of(0, 255), Buffer.from("y")]);
  });

  test("create: a message that was delivered too often goes where it is told to", async () => {
    const { client, properties, read } = place(server);
    await using output = await openOutput(kubemq, properties);
    const maxReceiveQueue = uniqueName("failed");
    await output.invoke("create", { maxReceiveCount: "2", maxReceiveQueue }, { data: "x" });
    const input = await read();
    for (const attempt of [1, 2]) {
      const event = await input.next();
      expect(event.attempt).toBe(attempt);
      event.settle({ outcome: "returned", reason: "no" });
    }
    await vi.waitFor(
      async () => expect(await client.receive(maxReceiveQueue)).toEqual([Buffer.from("x")]),
      soon,
    );
  });

  test("create: what the server refuses is told in its words", async () => {
    await using output = await openOutput(kubemq, place(server).properties);
    await expect(output.invoke("create", {}, {})).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "rejected" },
      message: "error sending queue message: Error 120: message metadata and body are empty",
    });
  });

  const wrong: readonly (readonly [Record<string, string>, string])[] = [
    [{ address: "here" }, "invalid kubemq address, address format is invalid"],
    [{ address: "a:b:1" }, "invalid kubemq address, address format is invalid"],
    [{ address: ":50000" }, "invalid kubemq address, host is empty"],
    [{ address: "here:x" }, "invalid kubemq address, port is invalid"],
    [{ pollMaxItems: "0" }, "invalid kubemq pollMaxItems value, value must be greater than 0"],
    [
      { pollTimeoutSeconds: "0" },
      "invalid kubemq pollTimeoutSeconds value, value must be greater than 0",
    ],
  ];
  test.for(wrong)("%o is refused", async ([more, message]) => {
    const properties = { ...place(server).properties, ...more };
    await expect(openOutput(kubemq, properties)).rejects.toMatchObject({
      ...{ reason: "invalid_argument", message },
    });
  });

  test("pollMaxItems come together, and no more than there is room for", async () => {
    const { client, channel, send, read } = place(server);
    await send(...Array.from({ length: 100 }, (_, n) => String(n)));
    const input = await read({ pollMaxItems: "10" });
    await vi.waitFor(() => expect(input.events).toHaveLength(64), soon);
    expect(await client.receive(channel)).toHaveLength(36);
    expect(input.events.map(({ data }) => textOf(data))).toEqual(
      Array.from({ length: 64 }, (_, n) => String(n)),
    );
    for (const event of input.events) event.settle({ outcome: "handled" });
    await input.reader.flush();
    await input.close();
    expect(await client.receive(channel)).toEqual([]);
  });

  test("what is returned comes again after its pause, and what is held is given back at once", async () => {
    const { client, channel, send, read } = place(server);
    await send("x");
    const input = await read();
    const first = await input.next();
    const begun = performance.now();
    first.settle({ outcome: "returned", reason: "no", after: 300 });
    const second = await input.next();
    expect(performance.now() - begun).toBeGreaterThan(290);
    expect(second).toMatchObject({ attempt: 2, id: first.id });
    await input.close();
    await vi.waitFor(
      async () => expect(await client.receive(channel)).toEqual([Buffer.from("x")]),
      soon,
    );
  });

  test("autoAcknowledged: the server has forgotten what it has sent", async () => {
    const { client, channel, send, read } = place(server);
    await send("x");
    const input = await read({ autoAcknowledged: "true" });
    const event = await input.next();
    event.settle({ outcome: "returned", reason: "no" });
    await input.close();
    expect(await client.receive(channel)).toEqual([]);
  });
});

describeWith("kubemq", { own: true, only: ["SendQueueMessage"] }, (server) => {
  test("needs no permission beyond that to send", async () => {
    const { properties, read } = place(server);
    await using output = await openOutput(kubemq, properties);
    await output.invoke("create", {}, { data: "x" });
    await expect(output.ping()).resolves.toBeUndefined();
    const input = await read();
    expect(await input.lost).toMatchObject({ reason: "permission_denied", effect: "rejected" });
  });
});

describeWith("kubemq", { own: true, tokens: ["right"] }, (server) => {
  test("each call shows the token", async () => {
    const { properties, send, read } = place(server, "right");
    await send("x");
    const input = await read();
    expect(textOf((await input.next()).data)).toBe("x");
    await using output = await openOutput(kubemq, { ...properties, authToken: "wrong" });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected" },
    });
  });
});

test("the messages are those of the published definition", async () => {
  const folder = resolve(import.meta.dirname, "../../servers/kubemq");
  const set = fromBinary(FileDescriptorSetSchema, await buildDescriptors(folder));
  const service = createFileRegistry(set).getService("kubemq.kubemq");
  expect(differences(Object.values(kubemqMethods), service?.methods ?? [])).toEqual([]);
});

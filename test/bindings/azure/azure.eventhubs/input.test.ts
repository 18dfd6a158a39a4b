import {
  BlobServiceClient,
  ContainerSASPermissions,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { expect, test, vi } from "vitest";
import type { InboundEvent } from "../../../../src/binding.ts";
import { azuriteAccount } from "../../../servers/azurite.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { handled, textOf, until } from "../../opened-queue.ts";
import { bytes } from "./contract-source.ts";
import { hubPlace, signal } from "./place.ts";

const long = { timeout: 20_000, interval: 10 };
const returned = { outcome: "returned", reason: "test" } as const;

/** Keeps those of these texts, and handles all others. */
const except =
  (...texts: string[]) =>
  (event: InboundEvent) =>
    texts.includes(textOf(event)) ? "keep" : handled;

describeWith("azurite-blob", (storage) => {
  test("checkpoint and ownership are what Azure's library for Go reads, in the place where it looks for them", async () => {
    const { put, open, blob } = await hubPlace(storage);
    const { reader, events } = await (await open()).read(() => handled);
    put("0", "1");
    put("0", "2");
    await until(() => events.length === 2);
    await reader.flush();
    expect(await blob("checkpoint", "0")).toMatchObject({
      ...{ "x-ms-meta-sequencenumber": "1", "x-ms-meta-offset": "104", "content-length": "0" },
    });
    const { "x-ms-meta-ownerid": owner, ...headers } = await blob("ownership", "0");
    expect(owner).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers["content-length"]).toBe("0");
    await reader.stop();
    await reader.close();
    expect((await blob("ownership", "0"))["x-ms-meta-ownerid"] ?? "").toBe("");
  });

  test("a checkpoint of another library is where reading begins", async () => {
    const { put, open, store } = await hubPlace(storage);
    for (const text of ["1", "2", "3"]) put("0", text);
    await store.ensure(signal());
    const other = { partition: "0", sequence: 1, offset: "104", ranges: "", etag: "" };
    await store.checkpoint(other, signal());
    const reading = await (await open()).read(() => handled);
    await until(() => reading.events.length === 1);
    expect(reading.texts).toEqual(["3"]);
  });

  test("neighbours that are settled in one moment have each their own outcome", async () => {
    const { put, open } = await hubPlace(storage);
    const texts = ["1", "2", "3", "4", "5"];
    for (const text of texts) put("0", text);
    const first = await open();
    const { events, reader } = await first.read(() => "keep");
    await until(() => events.length === texts.length);
    // The driver alone would tell all of them by the outcome of the first.
    for (const event of events)
      event.settle(["2", "4"].includes(textOf(event)) ? returned : handled);
    await reader.flush();
    await first.close();
    const again = await (await open()).read(() => handled);
    put("0", "6");
    await until(() => again.texts.includes("6"));
    expect(again.texts).toEqual(["2", "4", "6"]);
  });

  test("what was handled when the connection breaks is kept before the partition is given up", async () => {
    const { namespace, put, open } = await hubPlace(storage);
    const first = await open();
    const reading = await first.read(except("2"));
    for (const text of ["1", "2", "3"]) put("0", text);
    await until(() => reading.events.length === 3);
    namespace.cut();
    await until(() => first.losses.length === 1);
    await first.close();
    const again = await (await open()).read(() => handled);
    put("0", "4");
    await until(() => again.texts.includes("4"));
    expect(again.texts).toEqual(["2", "4"]);
  });

  test("a reader that was robbed of a partition writes no checkpoint of it, and returns what waits", async () => {
    const { put, open, store } = await hubPlace(storage, 1, { ownershipExpiration: "1h" });
    const { events, reader, losses } = await (await open()).read(() => "keep");
    put("0", "1");
    await until(() => events.length === 1);
    // As another library would: the newest claim is good.
    await vi.waitFor(async () => {
      const [now] = await store.ownerships(signal());
      expect(await store.claim("0", "another", now?.etag ?? "", signal())).toBeDefined();
    }, long);
    await vi.waitFor(() => expect(events[0]?.revoked?.aborted).toBe(true), long);
    events[0]?.settle(handled);
    await reader.flush();
    expect([...(await store.checkpoints(signal()))]).toEqual([]);
    expect(losses).toEqual([]);
  });

  test("the last word of a former owner is no harm: the checkpoint goes on from it, and never back", async () => {
    const { put, open, store } = await hubPlace(storage);
    const { events, reader } = await (await open()).read(() => handled);
    const keptAt = async (): Promise<number | undefined> =>
      (await store.checkpoints(signal())).get("0")?.sequence;
    put("0", "1");
    await until(() => events.length === 1);
    await reader.flush();
    const known = (await store.checkpoints(signal())).get("0");
    const late = {
      partition: "0",
      sequence: 2,
      offset: "208",
      ranges: "",
      etag: known?.etag ?? "",
    };
    await store.checkpoint(late, signal());
    put("0", "2");
    await until(() => events.length === 2);
    await reader.flush();
    expect(await keptAt()).toBe(2);
    for (const text of ["3", "4"]) put("0", text);
    await until(() => events.length === 4);
    await reader.flush();
    expect(await keptAt()).toBe(3);
  });

  test("a partition whose owner renews it no more is taken once its ownership has expired", async () => {
    const { put, open, store } = await hubPlace(storage, 1, { ownershipExpiration: "1s" });
    await store.ensure(signal());
    await store.claim("0", "gone", "", signal());
    put("0", "1");
    const { events } = await (await open()).read(() => handled);
    await until(() => events.length === 1);
  });

  test("a client of a higher owner level keeps a partition, and it is read once that has gone", async () => {
    const { hub, put, open } = await hubPlace(storage);
    const closed = vi.fn<() => void>();
    const refusal = hub.attach(
      "0",
      {
        sender: { is_open: () => false, sendable: () => false, close: closed } as never,
        ...{ group: "$default", epoch: 7 },
      },
      undefined,
    );
    expect(refusal).toBeUndefined();
    put("0", "1");
    const { events } = await (await open()).read(() => handled);
    expect(hub.readers("0")).toHaveLength(1);
    const [holder] = hub.readers("0");
    if (holder !== undefined) hub.detach(holder.sender);
    await until(() => events.length === 1);
    expect(closed).not.toHaveBeenCalled();
  });

  test("an event that cannot be read comes as its bytes, and the checkpoint passes it with the next", async () => {
    const { hub, put, open, store } = await hubPlace(storage);
    const { events, reader } = await (await open()).read(() => handled);
    put("0", "1");
    await until(() => events.length === 1);
    const [link] = hub.readers("0");
    link?.sender.send(Buffer.from([0, 0x53, 0x75, 0xb0]), undefined, 0);
    await until(() => events.length === 2);
    expect(events[1]?.metadata).toMatchObject({ "x-opt-partition-id": "0" });
    expect(events[1]?.metadata["undecodable"]).toBeTruthy();
    await reader.flush();
    expect((await store.checkpoints(signal())).get("0")).toMatchObject({ sequence: 0 });
  });

  test("all properties are metadata with getAllMessageProperties, and none takes the place of the service's", async () => {
    const { hub, open } = await hubPlace(storage, 1, { getAllMessageProperties: "true" });
    const { events } = await (await open()).read(() => handled);
    hub.put({
      body: bytes("x"),
      application_properties: {
        ...{ region: "eu", count: 3, at: new Date("2030-01-01T12:00:00.500Z") },
        "x-opt-sequence-number": "77",
      },
    });
    await until(() => events.length === 1);
    expect(events[0]?.metadata).toMatchObject({
      ...{ region: "eu", count: "3", at: "2030-01-01T12:00:00Z", "x-opt-sequence-number": "0" },
    });
  });

  test("in order of the partition, with enableInOrderMessageDelivery", async () => {
    const { put, open } = await hubPlace(storage, 1, { enableInOrderMessageDelivery: "true" });
    const { events } = await (await open()).read(() => handled);
    put("0", "1", { message_annotations: { "x-opt-partition-key": "a" } });
    put("0", "2", { message_annotations: { "x-opt-partition-key": "b" } });
    await until(() => events.length === 2);
    expect(events.map(({ key }) => key)).toEqual(["0", "0"]);
  });

  test("a signature for the container's blobs is all that the store needs", async () => {
    const { put, open, container, store } = await hubPlace(storage);
    await store.ensure(signal());
    const { name, key } = azuriteAccount;
    const credential = new StorageSharedKeyCredential(name, key);
    const service = new BlobServiceClient(`${storage.url}/${name}`, credential);
    const url = await service.getContainerClient(container).generateSasUrl({
      permissions: ContainerSASPermissions.parse("rcwl"),
      expiresOn: new Date(Date.now() + 3_600_000),
    });
    const signature = new URL(url).search.slice(1);
    const { events, reader } = await (
      await open({
        storageConnectionString: `BlobEndpoint=${storage.url}/${name};SharedAccessSignature=${signature}`,
      })
    ).read(() => handled);
    put("0", "1");
    await until(() => events.length === 1);
    await reader.flush();
    expect((await store.checkpoints(signal())).get("0")).toMatchObject({ sequence: 0 });
  });

  test("a hub that may not be read: permission_denied; the store is asked for nothing more", async () => {
    const { namespace, eventHub, open } = await hubPlace(storage);
    const opened = await open();
    namespace.refusals.set("$management", "amqp:unauthorized-access");
    namespace.refusals.set(`${eventHub}/$management`.toLowerCase(), "amqp:unauthorized-access");
    await opened.ping();
    await expect(opened.read()).rejects.toMatchObject({ reason: "permission_denied" });
  });
});

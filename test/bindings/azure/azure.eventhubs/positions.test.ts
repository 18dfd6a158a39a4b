import { expect, test, vi } from "vitest";
import eventhubs from "../../../../src/bindings/azure/azure.eventhubs/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { handled, until } from "../../opened-queue.ts";
import { hubPlace, signal } from "./place.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("azurite-blob", (storage) => {
  test("azure.eventhubs: Without a position", async () => {
    const { put, open, hub } = await hubPlace(storage, 2, { startFrom: "latest" });
    put("0", "before");
    const first = await open();
    await first.read(() => "keep");
    await until(() => hub.ids.every((id) => hub.readers(id).length === 1));
    await first.close();
    // Although nothing was handled: where reading began was kept, of the empty partition, too.
    put("0", "after 0");
    put("1", "after 1");
    const second = await (await open()).read(() => handled);
    await until(() => second.events.length === 2);
    expect(second.texts.toSorted()).toEqual(["after 0", "after 1"]);
    const again = await hubPlace(storage, 1, { startFrom: "earliest" });
    again.put("0", "before");
    const started = await read({ binding: eventhubs }, { properties: again.properties });
    await vi.waitFor(() => expect(started.app.texts).toEqual(["before"]), soon);
  });

  test("azure.eventhubs: After a gap", async () => {
    const { put, open, hub } = await hubPlace(storage);
    put("0", "1");
    const first = await open();
    const { events } = await first.read(() => handled);
    await until(() => events.length === 1);
    await first.close();
    for (const text of ["2", "3", "4"]) put("0", text);
    hub.forget("0", 3);
    const second = await open();
    const again = await second.read(() => handled);
    await until(() => again.events.length === 1);
    expect(again.texts).toEqual(["4"]);
    expect(second.log).toContainEqual({
      level: "warn",
      fields: { partition: "0", events: 2 },
      message: "the hub has dropped events before they were read",
    });
  });

  test("azure.eventhubs: Grows", async () => {
    const { put, open, hub } = await hubPlace(storage, 1, { startFrom: "latest" });
    const reading = await (await open()).read(() => handled);
    hub.grow(1);
    put("1", "of a new partition");
    await until(() => reading.events.length === 1);
    expect(reading.texts).toEqual(["of a new partition"]);
  });

  test("azure.eventhubs: Shrinks", async () => {
    const { put, open, hub, store } = await hubPlace(storage);
    put("0", "1");
    const { events, reader } = await (await open()).read(() => "keep");
    await until(() => events.length === 1);
    hub.forget("0", 1);
    events[0]?.settle(handled);
    await reader.flush();
    expect((await store.checkpoints(signal())).get("0")).toMatchObject({ sequence: 0 });
  });

  test("azure.eventhubs: Made anew", async () => {
    const { put, open, hub, store } = await hubPlace(storage);
    await store.ensure(signal());
    const former = { partition: "0", sequence: 77, offset: "8008", ranges: "", etag: "" };
    await store.checkpoint(former, signal());
    put("0", "of the new hub");
    hub.created = Date.now() + 60_000;
    const opened = await open();
    const reading = await opened.read(() => handled);
    await until(() => reading.events.length === 1);
    expect(reading.texts).toEqual(["of the new hub"]);
    expect(opened.log.map(({ message }) => message)).toContain(
      "the hub was made anew: it is read from its beginning",
    );
    await reading.reader.flush();
    expect((await store.checkpoints(signal())).get("0")).toMatchObject({ sequence: 0 });
  });
});

// One test for each cell of the row in docs/positions.md.
import { ContainerSASPermissions } from "@azure/storage-blob";
import { expect, test, vi } from "vitest";
import blobStorage from "../../../../src/bindings/azure/azure.blobstorage/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { makeContainer } from "../blob-container.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("azurite-blob", (server) => {
  const source = { binding: blobStorage };
  const place = async (more: Record<string, string> = {}) => {
    const { container, properties } = await makeContainer(server);
    const input = { direction: "input", onHandled: "delete", pollInterval: "20ms", ...more };
    return {
      container,
      put: async (key: string, text: string, metadata: Record<string, string> = {}) => {
        await container.getBlockBlobClient(key).upload(text, text.length, { metadata });
      },
      keys: async (): Promise<string[]> => {
        const keys: string[] = [];
        for await (const { name } of container.listBlobsFlat()) keys.push(name);
        return keys;
      },
      input: { properties: { ...properties, ...input } },
    };
  };

  test("azure.blobstorage: Without a position", async () => {
    const { put, input } = await place();
    await put("before", "before");
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toEqual(["before"]), soon);
  });

  test("azure.blobstorage: After a gap", async () => {
    const { container, put, input } = await place();
    await put("a", "deleted unread");
    await container.deleteBlob("a");
    await put("b", "next");
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toEqual(["next"]), soon);
  });

  test("azure.blobstorage: Grows", async () => {
    const { put, input } = await place();
    const { app } = await read(source, input);
    await put("a", "1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await put("a", "2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("azure.blobstorage: Shrinks", async () => {
    const { container, put, keys, input } = await place();
    const { app } = await read(source, input);
    await put("a", "1");
    await vi.waitFor(async () => expect(await keys()).toEqual([]), soon);
    await put("b", "2");
    await container.deleteBlob("b").catch(() => undefined);
    await put("c", "3");
    const others = () => app.texts.filter((text) => text !== "2");
    await vi.waitFor(() => expect(others()).toEqual(["1", "3"]), soon);
  });

  test("azure.blobstorage: Made anew", { timeout: 60_000 }, async () => {
    const { container, put, input } = await place();
    const { app, status } = await read(source, input);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await container.delete();
    // Stored once the component has made it again.
    await vi.waitFor(() => put("a", "new"), soon);
    await vi.waitFor(() => expect(app.texts).toEqual(["new"]), soon);
  });

  test("azure.blobstorage: handled blobs are moved, with what is stored beside them", async () => {
    const { container, put, keys, input } = await place({ onHandled: "move:done/", prefix: "in/" });
    await put("in/a ü+%", "1", { Order: "42" });
    await read(source, input);
    await vi.waitFor(async () => expect(await keys()).toEqual(["done/a ü+%"]), soon);
    const found = await container.getBlobClient("done/a ü+%").getProperties();
    expect(found.metadata).toEqual({ order: "42" });
  });

  test("azure.blobstorage: a shared access signature is enough to move them", async () => {
    const { container, put, keys, input } = await place({ onHandled: "move:done/", prefix: "in/" });
    await put("in/a", "1");
    const signed = await container.generateSasUrl({
      permissions: ContainerSASPermissions.parse("rcwdl"),
      expiresOn: new Date(Date.now() + 3_600_000),
    });
    const properties: Record<string, string> = input.properties;
    const { containerName, accountName, accountKey: _, endpoint, ...rest } = properties;
    const SharedAccessSignature = new URL(signed).search.slice(1);
    const connectionString = `BlobEndpoint=${endpoint ?? ""}/${accountName ?? ""};SharedAccessSignature=${SharedAccessSignature}`;
    const { app } = await read(source, {
      properties: { ...rest, containerName: containerName ?? "", connectionString },
    });
    await vi.waitFor(async () => expect(await keys()).toEqual(["done/a"]), soon);
    expect(app.texts).toEqual(["1"]);
  });

  test(
    "azure.blobstorage: handled blobs are marked; what is stored anew is read again",
    { repeats: 60, timeout: 300_000 },
    async () => {
      const { container, put, input } = await place({ onHandled: "tag" });
      await put("a", "1", { orderNumber: "42" });
      const { app } = await read(source, input);
      const metadata = async () => {
        for await (const blob of container.listBlobsFlat({ includeMetadata: true }))
          return blob.metadata;
        return undefined;
      };
      const marked = { orderNumber: "42", cufflink_handled: "true" };
      await vi.waitFor(async () => expect(await metadata()).toEqual(marked), soon);
      await put("a", "2");
      await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
    },
  );

  test.each(["delete", "move:done/", "tag"])(
    "azure.blobstorage: a blob that was replaced meanwhile is not put away: %s",
    async (onHandled) => {
      const { put, input } = await place({ onHandled, prefix: "in/" });
      await put("in/a", "1");
      const opened = await openInput(blobStorage, input.properties);
      const first = await opened.next();
      await put("in/a", "2");
      first.settle({ outcome: "handled" });
      const second = await opened.next();
      expect(Buffer.from(second.data ?? []).toString()).toBe("2");
    },
  );

  test("azure.blobstorage: of a large blob the reference comes; folders and archived ones do not", async () => {
    const { container, put, input } = await place({ inlineLimit: "10" });
    await put("folder", "", { hdi_isfolder: "true" });
    await put("cold", "x");
    await container.getBlobClient("cold").setAccessTier("Archive");
    await put("large", "x".repeat(11));
    const { app } = await read(source, input);
    await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
    expect(JSON.parse(app.texts[0] ?? "")).toMatchObject({
      ...{ bucket: container.containerName, key: "large", size: 11 },
    });
  });
});

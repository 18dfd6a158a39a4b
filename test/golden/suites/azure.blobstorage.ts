import { makeContainer } from "../../bindings/azure/blob-container.ts";
import type { Call, Suite } from "../suite.ts";

export const azureBlobStorage: Suite = {
  name: "azure.blobstorage",
  servers: ["azurite-blob"],
  async prepare({ servers }) {
    const url = `http://${servers["azurite-blob"]}`;
    const { container, properties } = await makeContainer({ url });
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data?: unknown,
    ): Call => ({ ...{ name, binding: "out", operation, metadata, data } });
    // Without it Dapr's client sends an empty header, which Azurite refuses.
    const withSnapshots = { deleteSnapshots: "include" };
    return {
      components: [
        { ...{ name: "out", type: "bindings.azure.blobstorage" }, metadata: properties },
      ],
      names: [
        [url, "{url}"],
        [container.containerName, "{container}"],
        [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "{id}"],
        [/0x[0-9A-F]+/g, "{etag}"],
        [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "{time}"],
      ],
      calls: [
        one(
          "create",
          "create",
          { blobName: "a/b c.txt", contentType: "text/plain", "x-y": "1" },
          "x",
        ),
        one("create without a name", "create", {}, "x"),
        one("a wrong MD5", "create", { blobName: "md5", contentMD5: "x" }, "x"),
        one("get", "get", { blobName: "a/b c.txt" }),
        one("get without a name", "get"),
        one("get what is not there", "get", { blobName: "none" }),
        one("a flag that is none", "get", { blobName: "a/b c.txt", includeMetadata: "maybe" }),
        one("list", "list", {}, { prefix: "a/" }),
        one("list nothing", "list", {}, { prefix: "none" }),
        one("presign without a time", "presign", { blobName: "x" }),
        one("presign for a time that is none", "presign", { blobName: "x", signTTL: "5" }),
        one("presign for no time", "presign", { blobName: "x", signTTL: "-5m" }),
        one("bulk create", "bulkCreate", {}, { items: [{ blobName: "k", data: "v" }] }),
        one("bulk create nothing", "bulkCreate", {}, {}),
        one("bulk create without a name", "bulkCreate", {}, { items: [{ data: "v" }] }),
        one("bulk get", "bulkGet", {}, { items: [{ blobName: "k" }, { blobName: "none" }] }),
        one("bulk get nothing", "bulkGet", {}, {}),
        one("bulk get without a folder", "bulkGet", {}, { prefix: "x" }),
        one("bulk get by nobody", "bulkGet", {}, { concurrency: 0 }),
        one("bulk delete", "bulkDelete", {}, { blobNames: ["k"] }),
        one("bulk delete nothing", "bulkDelete", {}, {}),
        one("delete with a wrong option", "delete", { blobName: "x", deleteSnapshots: "all" }),
        one("delete what is not there", "delete", { ...withSnapshots, blobName: "none" }),
        one("delete", "delete", { ...withSnapshots, blobName: "a/b c.txt" }),
        one("an operation that is not there", "read"),
      ],
      close: async () => void (await container.deleteIfExists()),
    };
  },
};

import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

export const gcpBucket: Suite = {
  name: "gcp.bucket",
  servers: ["fake-gcs"],
  async prepare({ servers }) {
    const server = servers["fake-gcs"];
    const bucket = uniqueName("golden").toLowerCase();
    const body = JSON.stringify({ name: bucket });
    await fetch(`http://${server}/storage/v1/b?project=p`, { method: "POST", body });
    const one = (name: string, operation: string, metadata = {}, data?: unknown): Call => ({
      ...{ name, binding: "bucket", operation, metadata, data },
    });
    return {
      environment: { STORAGE_EMULATOR_HOST: server },
      components: [
        { name: "bucket", type: "bindings.gcp.bucket", metadata: { bucket, projectID: "p" } },
      ],
      names: [
        [bucket, "{bucket}"],
        [server, "{server}"],
        [/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "{time}"],
        [/\b1[789]\d{14}\b/g, "{generation}"],
        [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "{uuid}"],
      ],
      calls: [
        one("list of nothing", "list", {}, {}),
        // No UUID that the binding makes for a key begins with x.
        one("create", "create", { key: "x/b c+d" }, "text"),
        one("create of an object", "create", { key: "object" }, { a: 1 }),
        one("create without a key", "create", {}, "x"),
        one("create of base64", "create", { key: "decoded", decodeBase64: "true" }, "AP8K"),
        one("create of what is no base64", "create", { key: "z", decodeBase64: "true" }, "AP8"),
        one("get", "get", { key: "x/b c+d" }),
        one("get by its older name", "get", { name: "object" }),
        one("get in base64", "get", { key: "object", encodeBase64: "true" }),
        one("get of what is not there", "get", { key: "none" }),
        one("get without a key", "get"),
        one("list", "list", {}, { prefix: "x/" }),
        one("list with a delimiter", "list", {}, { prefix: "x", delimiter: "/" }),
        one(
          "copy of what is not there",
          "copy",
          { key: "none" },
          { destinationBucket: bucket, destinationKey: "x" },
        ),
        one("rename", "rename", { key: "decoded" }, { newName: "renamed" }),
        one("rename without a name", "rename", { key: "renamed" }, {}),
        one("rename of what is no JSON", "rename", { key: "renamed" }, "text"),
        one("sign without a time", "sign", { key: "object" }),
        one("sign without a key", "sign", { signTTL: "15m" }),
        one("sign for a time that is none", "sign", { key: "object", signTTL: "15" }),
        one("delete", "delete", { key: "renamed" }),
        one("delete of what is not there", "delete", { key: "renamed" }),
        one("delete without a key", "delete"),
        one("an operation that is not there", "increment"),
      ],
    };
  },
};

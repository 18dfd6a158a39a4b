import {
  accessKeyId,
  bucket,
  oss as vendor,
  secret,
  startObjects,
} from "../../bindings/object-service/stand-in.ts";
import type { Call, Suite } from "../suite.ts";

/** With the stand-in of the tests, which checks each signature: the one of Alibaba's own SDK, which is in daprd, too. */
export const alicloudOss: Suite = {
  name: "alicloud.oss",
  servers: [],
  async prepare() {
    const server = await startObjects(vendor);
    const login = { accessKeyID: accessKeyId, accessKey: secret, bucket };
    const metadata = { endpoint: server.url, ...login };
    const one = (name: string, key: string, data: unknown = "text"): Call => ({
      ...{ name, binding: "objects", operation: "create", metadata: { key }, data },
    });
    return {
      components: [{ name: "objects", type: "bindings.alicloud.oss", metadata }],
      names: [[server.url, "{server}"]],
      calls: [
        one("create", "orders/1.json", { a: 1 }),
        one("a key with what a path has not", "a b+c/ü!'()*~&=;,:@$.txt"),
        one("a key with what a URL has not", "?x=1#y%20z"),
        one("a key with other letters", "日本語/\u{1f600}"),
        { name: "an operation that is not there", binding: "objects", operation: "get", data: "x" },
      ],
      close: async () => server[Symbol.asyncDispose](),
    };
  },
};

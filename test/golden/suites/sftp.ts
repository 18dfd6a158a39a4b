import { openssh } from "../../servers/openssh.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

export const sftp: Suite = {
  name: "sftp",
  servers: ["openssh"],
  async prepare({ servers }) {
    const address = servers.openssh;
    const port = Number(address.split(":").at(-1));
    const root = uniqueName("golden");
    const { login } = openssh.extras({ host: "127.0.0.1", port, url: "" });
    const component = (name: string, metadata: Record<string, string>) => ({
      ...{ name, type: "bindings.sftp" },
      metadata: { address, ...login, ...metadata },
    });
    const one = (
      name: string,
      operation: string,
      metadata: Readonly<Record<string, string>>,
      data?: unknown,
    ): Call => ({ ...{ name, binding: "files", operation, metadata }, data });
    return {
      components: [component("files", { rootPath: root }), component("rootless", {})],
      names: [[root, "{root}"]],
      calls: [
        one("create of a text", "create", { fileName: "a/text" }, "hello, world"),
        one("create of an object", "create", { fileName: "object.json" }, { b: 1, a: "<x>" }),
        one("create in place of a file", "create", { fileName: "object.json" }, "other"),
        one("create without a name", "create", {}, "x"),
        one("create outside the root", "create", { fileName: `../${root}-b` }, "x"),
        one("create by an absolute name", "create", { fileName: "/a/absolute" }, "x"),
        one("create below a file", "create", { fileName: "a/text/below" }, "x"),
        one("create where a folder is", "create", { fileName: "a" }, "x"),
        one("create of a name that is too long", "create", { fileName: "n".repeat(300) }, "x"),
        one("create in another root", "create", { fileName: "c", rootPath: `${root}/a` }, "x"),
        one(
          "create with names in other cases",
          "create",
          { FILENAME: "cased", RootPath: root },
          "x",
        ),
        one("get", "get", { fileName: "a/text" }),
        one("get of an object", "get", { fileName: "object.json" }),
        one("get of a file that is not there", "get", { fileName: "missing" }),
        one("get below a file", "get", { fileName: "a/text/below" }),
        one("get of a folder", "get", { fileName: "a" }),
        one("get without a name", "get", {}),
        one("get outside the root", "get", { fileName: "../../../../etc/hostname-of-nobody" }),
        one("create of a name with signs", "create", { fileName: "b/<a&b>.txt" }, "x"),
        one("list of a folder", "list", { fileName: "b" }),
        one("list of a file", "list", { fileName: "a/text" }),
        one("list of a folder that is not there", "list", { fileName: "missing" }),
        one("list of another root", "list", { rootPath: `${root}/b` }),
        one("delete", "delete", { fileName: "object.json" }),
        one("delete of a file that is not there", "delete", { fileName: "missing" }),
        one("delete of a folder with files", "delete", { fileName: "a" }),
        one("delete below a file", "delete", { fileName: "a/text/below" }),
        one("an operation that is not there", "put", { fileName: "a" }),
        { ...one("neither root nor name", "list", {}), binding: "rootless" },
      ],
    };
  },
};

import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Call, Suite } from "../suite.ts";

const binding = "files";
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g;

export const localstorage: Suite = {
  name: "localstorage",
  servers: [],
  async prepare({ folder }) {
    const root = join(folder, "root");
    const one = (name: string, operation: string, fileName?: string, data?: unknown): Call => ({
      ...{ name, binding, operation, metadata: fileName === undefined ? {} : { fileName } },
      data,
    });
    return {
      components: [{ name: binding, type: "bindings.localstorage", metadata: { rootPath: root } }],
      names: [[uuid, "{uuid}"]],
      calls: [
        one("list of an empty root", "list"),
        one("create of a text", "create", "a/text", "hello, world"),
        one("create of an object", "create", "object.json", { b: 1, a: "<x>" }),
        one("create without a name", "create", undefined, "x y"),
        one("create outside the root", "create", "../../outside", "x y"),
        one("create below a file", "create", "a/text/below", "x y"),
        one("create where a folder is", "create", "a", "x y"),
        one("create of a name that is too long", "create", "n".repeat(300), "x y"),
        one("get", "get", "a/text"),
        one("get of a file that is not there", "get", "missing"),
        one("get below a file", "get", "a/text/below"),
        one("get of a folder", "get", "a"),
        one("get without a name", "get"),
        one("list of a folder", "list", "a"),
        one("list of a file", "list", "a/text"),
        one("list of a folder that is not there", "list", "missing"),
        {
          ...one("get through a link that leads out", "get", "link"),
          async before() {
            await writeFile(join(folder, "secret"), "s3cret");
            await symlink(join(folder, "secret"), join(root, "link"));
          },
        },
        one("delete", "delete", "object.json"),
        one("delete of a file that is not there", "delete", "missing"),
        one("delete of a folder with files", "delete", "a"),
        one("delete below a file", "delete", "a/text/below"),
        {
          ...one("delete of an empty folder", "delete", "empty"),
          before: () => mkdir(join(root, "empty")),
        },
        one("delete without a name", "delete"),
        one("an operation that is not there", "put", "a"),
      ],
    };
  },
};

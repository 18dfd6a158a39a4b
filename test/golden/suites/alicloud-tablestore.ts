import { TablestoreServer } from "../../servers/tablestore.ts";
import type { Call, Suite } from "../suite.ts";

/** With the stand-in of the tests, which checks signatures and rows: those of Alibaba's own SDK, which is in daprd, too. */
export const alicloudTablestore: Suite = {
  name: "alicloud.tablestore",
  servers: [],
  async prepare() {
    const server = await TablestoreServer.start();
    server.makeTable("orders", { customer: "STRING", order: "STRING" });
    server.makeTable("stock", { id: "STRING" });
    const columns = [
      ["whole", { kind: "INTEGER", value: 9_007_199_254_740_993n }],
      ["half", { kind: "DOUBLE", value: 0.5 }],
      ["huge", { kind: "DOUBLE", value: 1e21 }],
      ["tiny", { kind: "DOUBLE", value: 1e-7 }],
      ["zero", { kind: "DOUBLE", value: -0 }],
      ["bytes", { kind: "BLOB", value: Buffer.from([0, 255, 254]) }],
      ["told", { kind: "STRING", value: "<ü & \u2028>" }],
      ["sold", { kind: "BOOLEAN", value: true }],
    ] as const;
    server.put("stock", [["id", { kind: "STRING", value: "every type" }]], columns);
    const { accessKeyId: accessKeyID, secret: accessKey, instance: instanceName } = server;
    const all = { tableName: "orders", primaryKeys: "customer,order" };
    const one = (
      name: string,
      operation: string,
      data: unknown,
      metadata: Record<string, string> = {},
    ): Call => ({ name, binding: "rows", operation, metadata: { ...all, ...metadata }, data });
    const columnToGet = "total,paid,note";
    const key = { customer: "ada", order: "1" };
    const stock = { tableName: "stock", primaryKeys: "id" };
    const every = "whole,half,huge,tiny,zero,bytes,told,sold";
    return {
      components: [
        {
          name: "rows",
          type: "bindings.alicloud.tablestore",
          metadata: {
            ...{ endpoint: server.url, accessKeyID, accessKey, instanceName },
            tableName: "stock",
          },
        },
      ],
      names: [
        [server.url, "{server}"],
        [/(?<=(?:start|end)-time":\s*")[^"]*/g, "{time}"],
        [/(?<=duration":\s*")[^"]*/g, "{duration}"],
      ],
      calls: [
        one("create", "create", { ...key, total: 12.5, count: 3, paid: true, note: "ü <b>" }),
        one("create in place of it", "create", { ...key, total: 13, paid: false, note: "new" }),
        one("create of a key alone", "create", { ...key, order: "2" }),
        one("get", "get", key, { columnToGet }),
        one("get of columns that are not there", "get", key, { columnToGet: "other" }),
        one("get of what is not there", "get", { ...key, order: "3" }, { columnToGet }),
        one("get of every type", "get", { id: "every type" }, { ...stock, columnToGet: every }),
        one(
          "get from the component's table",
          "get",
          { id: "every type" },
          {
            ...{ tableName: "", primaryKeys: "id", columnToGet: "half" },
          },
        ),
        one("get without the columns' names", "get", key),
        one("list", "list", [key, { ...key, order: "3" }, { ...key, order: "2" }], { columnToGet }),
        one("list of none", "list", [], { columnToGet }),
        one("list of what is no list", "list", key, { columnToGet }),
        one("delete", "delete", key),
        one("delete of what is not there", "delete", key),
        one("get of what was deleted", "get", key, { columnToGet }),
        one("a table that is not there", "get", key, { tableName: "other", columnToGet }),
        one(
          "a key that is not the table's",
          "get",
          { other: "1" },
          {
            ...{ primaryKeys: "other", columnToGet },
          },
        ),
        one("what is no JSON", "create", "text"),
        one("an operation that is not there", "exec", key),
      ],
      close: async () => server[Symbol.asyncDispose](),
    };
  },
};

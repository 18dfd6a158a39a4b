import tablestore from "../../../src/bindings/alicloud/alicloud.tablestore/index.ts";
import { startTable, propertiesOf } from "../alicloud/alicloud.tablestore/table.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

testAttempts(tablestore, "create", async () => {
  const server = await startTable();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    ...{ connectsByCall: true, idempotent: true },
    properties: ({ host, port }) => propertiesOf(server, `http://${host}:${port}`),
    request: (mark) => ({
      metadata: { primaryKeys: "customer,order" },
      data: JSON.stringify({ customer: "ada", order: 1, mark }),
    }),
    done: async (mark) =>
      server.rowsOf("orders").filter((row) => row["mark"]?.value === mark).length,
  };
});

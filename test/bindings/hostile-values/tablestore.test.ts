import tablestore from "../../../src/bindings/alicloud/alicloud.tablestore/index.ts";
import { propertiesOf } from "../alicloud/alicloud.tablestore/table.ts";
import { endAfterTest } from "../contract.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { TablestoreServer } from "../../servers/tablestore.ts";
import { testHostileValues } from "./suite.ts";

const places = ["the table", "the primary key", "its name", "a column's name", "a column"];

testHostileValues(tablestore, places, async () => {
  const server = await TablestoreServer.start();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const schema = { harmless: "STRING" } as const;
  server.makeTable("orders", schema);
  server.makeTable("harmless", schema);
  const create =
    (request: (text: string) => { data: Record<string, string>; metadata?: object }) =>
    (output: OpenedOutput, text: string) => {
      const { data, metadata } = request(text);
      const all = { primaryKeys: "harmless", ...metadata };
      return output.invoke("create", all, { data: JSON.stringify(data) });
    };
  /** The text of each of these that is new. */
  const take = (of: (row: Record<string, { value: unknown }>) => unknown) => async () =>
    ["orders", "harmless"].flatMap((name) => {
      const found = server.rowsOf(name).map((row) => String(of(row)));
      server.makeTable(name, schema);
      return found;
    });
  return {
    properties: propertiesOf(server),
    places: {
      "the table": {
        send: create((tableName) => ({ data: { harmless: "k" }, metadata: { tableName } })),
        arrived: async () => {
          const isThere = server.rowsOf("harmless").length > 0;
          server.makeTable("harmless", schema);
          return isThere ? ["harmless"] : [];
        },
      },
      "the primary key": {
        send: create((text) => ({ data: { harmless: text } })),
        arrived: take((row) => row["harmless"]?.value),
      },
      "its name": {
        send: create((text) => ({ data: { [text]: "k" }, metadata: { primaryKeys: text } })),
        arrived: take((row) => Object.keys(row)[0]),
      },
      "a column's name": {
        send: create((text) => ({ data: { harmless: "k", [`${text}_`]: "v" } })),
        expected: (text) => `${text}_`,
        arrived: take((row) => Object.keys(row)[1]),
      },
      "a column": {
        send: create((text) => ({ data: { harmless: "k", text } })),
        arrived: take((row) => row["text"]?.value),
      },
    },
  };
});

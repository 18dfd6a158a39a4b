import type { AttributeValue, Item } from "../../../../src/bindings/aws/aws.dynamodb/item.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { emulatorClient, emulatorLogin } from "../emulator-client.ts";

/** A table of its own, whose key is `id`, a text. */
export async function makeTable(server: { readonly url: string }) {
  const call = emulatorClient(server.url, "dynamodb");
  const table = uniqueName("orders").replaceAll(/[^\w-]/g, "-");
  await call("DynamoDB_20120810.CreateTable", {
    TableName: table,
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    BillingMode: "PAY_PER_REQUEST",
  });
  return {
    table,
    properties: { ...emulatorLogin(server.url), table },
    async items(): Promise<readonly Item[]> {
      const input = { TableName: table };
      const { Items } = await call<{ Items: Item[] }>("DynamoDB_20120810.Scan", input);
      return Items;
    },
    async take(): Promise<readonly Item[]> {
      const items = await this.items();
      for (const item of items) {
        const input = { TableName: table, Key: { id: item["id"] } };
        await call("DynamoDB_20120810.DeleteItem", input);
      }
      return items;
    },
  };
}

/** The text of an attribute that is one. */
export function textOf(value: AttributeValue | undefined): string {
  return value !== undefined && "S" in value ? value.S : "";
}

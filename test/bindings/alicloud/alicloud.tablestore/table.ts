import { TablestoreServer } from "../../../servers/tablestore.ts";

/** An instance with the table `orders`, whose primary key is a customer and the number of an order. */
export async function startTable(): Promise<TablestoreServer> {
  const server = await TablestoreServer.start();
  server.makeTable("orders", { customer: "STRING", order: "INTEGER" });
  return server;
}

/** The metadata of a component of that table. */
export function propertiesOf(server: TablestoreServer, endpoint = server.url) {
  return {
    endpoint,
    accessKeyID: server.accessKeyId,
    accessKey: server.secret,
    instanceName: server.instance,
    tableName: "orders",
  };
}

import { expect } from "vitest";
import { uniqueName } from "../../../servers/unique-name.ts";

export const masterKey = Buffer.from("the key of the account").toString("base64");

/** A database and a container of its own, whose partition key is `/customer/id`. */
export async function makeContainer(server: { readonly url: string }) {
  const database = uniqueName("shop");
  const collection = "orders";
  const ask = async (path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${server.url}/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", "x-ms-version": "2018-12-31" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(answer.ok).toBe(true);
    return answer.json();
  };
  await ask("dbs", { id: database });
  const partitionKey = { paths: ["/customer/id"], kind: "Hash" };
  await ask(`dbs/${database}/colls`, { id: collection, partitionKey });
  return {
    properties: { url: server.url, masterKey, database, collection, partitionKey: "customer.id" },
    documents: async (): Promise<readonly Document[]> => {
      const list = await ask(`dbs/${database}/colls/${collection}/docs`);
      return (list as { Documents: Document[] }).Documents;
    },
  };
}

export type Document = {
  readonly id: string;
  readonly customer: { readonly id: string };
  readonly text?: string;
};

/** A document's JSON. */
export function order(id: string, customer = "c1", more: object = {}): string {
  return JSON.stringify({ id, customer: { id: customer }, ...more });
}

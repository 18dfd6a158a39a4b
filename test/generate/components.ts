import { component as componentOf } from "../resources/folder.ts";

/** A component's YAML. */
export function component(
  name: string,
  type: string,
  metadata: Readonly<Record<string, string>>,
): string {
  const items = Object.entries(metadata).map(
    ([field, value]) => `- {name: ${field}, value: ${JSON.stringify(value)}}`,
  );
  return componentOf(name, type, items.join("\n"));
}

/** A JSON Schema as an app's author would write it. */
const orderSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  description: 'An order of a customer. */ """ \\ `${order}`\n# of a shop',
  type: "object",
  required: ["id", "lines"],
  properties: {
    id: { type: "integer", description: "Its number." },
    state: { enum: ["open", "paid"] },
    lines: { type: "array", items: { $ref: "#/$defs/line" } },
    class: { type: ["string", "null"] },
    'say "hi"\n': { type: "string", description: 'Ends with "' },
    "ship-to": { type: "object", additionalProperties: { type: "string" } },
  },
  $defs: {
    line: {
      type: "object",
      required: ["sku"],
      properties: { sku: { type: "string" }, count: { type: "integer", minimum: 1 } },
    },
  },
};

/** The files of a shop, for generated clients. */
export const components: Readonly<Record<string, string>> = {
  "order.schema.json": JSON.stringify(orderSchema),
  "api.yaml": component("api", "bindings.http", { url: "http://127.0.0.1:1" }),
  "cache.yaml": component("cache", "bindings.redis", { redisHost: "127.0.0.1:1" }),
  "orders.yaml": component("my-orders", "bindings.kafka", {
    ...{ brokers: "127.0.0.1:1", topics: "orders", consumerGroup: "shop", authType: "none" },
    schema: "order.schema.json",
  }),
  "rows.yaml": component("rows", "bindings.alicloud.tablestore", {
    ...{ endpoint: "http://127.0.0.1:1", accessKeyID: "a", accessKey: "b" },
    ...{ instanceName: "shop", tableName: "orders" },
  }),
  "table.yaml": component("table", "bindings.postgres", { connectionString: "host=127.0.0.1" }),
  "tick.yaml": component("tick", "bindings.cron", { schedule: "@hourly" }),
};

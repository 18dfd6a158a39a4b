import { makeContainer, order } from "../../bindings/azure/azure.cosmosdb/container.ts";
import type { Call, Suite } from "../suite.ts";

export const cosmosdb: Suite = {
  name: "azure.cosmosdb",
  servers: ["cosmosdb"],
  async prepare({ servers }) {
    const { properties } = await makeContainer({ url: `http://${servers.cosmosdb}` });
    const one = (name: string, operation: string, data?: unknown): Call => ({
      ...{ name, binding: "documents", operation, data },
    });
    return {
      components: [{ name: "documents", type: "bindings.azure.cosmosdb", metadata: properties }],
      names: [
        [properties.database, "{database}"],
        [servers.cosmosdb, "{server}"],
      ],
      calls: [
        one("create", "create", JSON.parse(order("1"))),
        one("create of one that is there", "create", JSON.parse(order("1"))),
        one("create without a partition's value", "create", { id: "2" }),
        one("create with a number for it", "create", { id: "3", customer: { id: 4 } }),
        one("create with an empty one", "create", { id: "4", customer: { id: "" } }),
        // What is no JSON object ends the whole process of daprd.
        one("an operation that is not there", "get", {}),
      ],
    };
  },
};

import { Redis } from "ioredis";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

const binding = "cache";

export const redis: Suite = {
  name: "redis",
  servers: ["redis"],
  async prepare({ servers }) {
    const base = uniqueName("golden");
    const one = (
      name: string,
      operation: string,
      key?: string,
      more: Record<string, string> = {},
      data?: unknown,
    ): Call => ({
      ...{ name, binding, operation, data },
      metadata: { ...(key === undefined ? {} : { key: `${base}-${key}` }), ...more },
    });
    return {
      components: [
        {
          ...{ name: binding, type: "bindings.redis" },
          metadata: { redisHost: servers.redis, redisPassword: "" },
        },
      ],
      names: [[base, "{base}"]],
      calls: [
        one("create", "create", "text", {}, "hello"),
        one("create of an object", "create", "object", {}, { a: 1 }),
        one("create with a time to live", "create", "ttl", { ttlInSeconds: "60" }, "x"),
        one("create with a time to live that is none", "create", "t", { ttlInSeconds: "x" }, "x"),
        one("create with a time to live of zero", "create", "t0", { ttlInSeconds: "0" }, "x"),
        one("create with a negative time to live", "create", "t1", { ttlInSeconds: "-1" }, "x"),
        one("create without a key", "create", undefined, {}, "x"),
        one("get", "get", "object"),
        one("get of a key that is not there", "get", "missing"),
        one("get without a key", "get"),
        one("get with an empty key", "get", undefined, { key: "" }),
        one("get that deletes", "get", "text", { delete: "true" }),
        one("get of what was deleted", "get", "text"),
        {
          ...one("get of a list", "get", "list"),
          async before() {
            const client = new Redis(`redis://${servers.redis}`);
            await client.lpush(`${base}-list`, "x");
            client.disconnect();
          },
        },
        one("get that deletes a list", "get", "list", { delete: "true" }),
        one("increment", "increment", "count"),
        one("increment with a time to live", "increment", "count", { ttlInSeconds: "60" }),
        one("increment of a text", "increment", "object"),
        one("increment of a list", "increment", "list"),
        one("increment without a key", "increment"),
        one("get of a counter", "get", "count"),
        one("delete", "delete", "count"),
        one("delete of a key that is not there", "delete", "missing"),
        one("delete without a key", "delete"),
        one("an operation that is not there", "list", "x"),
      ],
    };
  },
};

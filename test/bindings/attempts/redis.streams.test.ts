import redisStreams from "../../../src/bindings/redis/redis.streams/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { redisClient } from "../redis/redis.streams/contract-source.ts";
import { testAttempts } from "./suite.ts";

describeWith("redis", (server) => {
  testAttempts(redisStreams, "create", async () => {
    const client = redisClient(server);
    const stream = uniqueName("orders");
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ redisHost: `${host}:${port}`, redisPassword: "", stream },
      }),
      operation: "create",
      request: (data) => ({ data }),
      async done(mark) {
        const entries = await client.xrange(stream, "-", "+");
        return entries.filter(([, fields]) => fields.includes(mark)).length;
      },
    };
  });
});

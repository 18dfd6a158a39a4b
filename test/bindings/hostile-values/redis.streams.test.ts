import redisStreams from "../../../src/bindings/redis/redis.streams/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { redisClient } from "../redis/redis.streams/contract-source.ts";
import { testHostileValues } from "./suite.ts";

describeWith("redis", (server) => {
  testHostileValues(redisStreams, ["a field's value", "a field's name"], async () => {
    const client = redisClient(server);
    const stream = uniqueName("orders");
    const arrived = async (at: number) => {
      const entries = await client.xrange(stream, "-", "+");
      await client.del(stream);
      return entries.map(([, fields]) => fields[at] ?? "");
    };
    return {
      properties: {
        ...{ redisHost: `${server.host}:${server.port}`, redisPassword: "" },
        ...{ stream, consumerGroup: "none" },
      },
      places: {
        "a field's value": {
          send: (output, value) => output.invoke("create", { "field:mark": value }),
          arrived: () => arrived(3),
        },
        "a field's name": {
          send: (output, value) => output.invoke("create", { [`field:${value}`]: "x" }),
          arrived: () => arrived(2),
        },
      },
    };
  });
});

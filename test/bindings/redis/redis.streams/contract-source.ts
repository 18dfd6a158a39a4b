import { Redis } from "ioredis";
import { expect } from "vitest";
import streams from "../../../../src/bindings/redis/redis.streams/index.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import { endAfterTest, type Source } from "../../contract.ts";

export type StreamServer = { readonly host: string; readonly port: number };

/** Another program's client, which takes a restart of the server between two calls. */
export function redisClient({ host, port }: StreamServer): Redis {
  const client = new Redis({ host, port, maxRetriesPerRequest: null });
  client.on("error", () => undefined);
  endAfterTest(() => client.disconnect());
  return client;
}

export function streamsSource(server: StreamServer): Source {
  return {
    binding: streams,
    largest: 2 ** 20,
    ordered: { properties: { keyField: "key" }, keys: ["a", "b", "c", "d", "e", "f", "g", "h"] },
    async place() {
      const client = redisClient(server);
      const stream = uniqueName("orders");
      return {
        properties: {
          ...{ redisHost: `${server.host}:${server.port}`, redisPassword: "", stream },
          ...{ consumerGroup: "shop", consumer: "one", startFrom: "oldest" },
        },
        async send(data, key) {
          await client.xadd(stream, "*", "key", key, "data", Buffer.from(data));
        },
        async sendMarked() {
          const bytes = Buffer.from([0, 255, 254, 128]);
          await client.xadd(
            ...[stream, "7-3", "data", "x", "bytes", bytes],
            ...["repeat", "one", "repeat", "two", "empty", ""],
          );
          return ({ metadata, headers, id }) => {
            expect(metadata).toMatchObject({
              ...{ stream, group: "shop", consumer: "one", id: "7-3", deliveries: "1" },
            });
            expect(id).toBe(`${stream}-7-3`);
            expect(headers.map(({ name, value }) => [name, Buffer.from(value)])).toEqual([
              ["bytes", bytes],
              ["repeat", Buffer.from("one")],
              ["repeat", Buffer.from("two")],
              ["empty", Buffer.alloc(0)],
            ]);
          };
        },
      };
    },
  };
}

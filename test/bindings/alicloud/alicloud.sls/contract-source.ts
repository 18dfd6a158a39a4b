import { expect } from "vitest";
import sls from "../../../../src/bindings/alicloud/alicloud.sls/index.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import type { Source } from "../../contract.ts";
import { account, LogClient } from "./client.ts";

type Place = { readonly host: string; readonly port: number };

/** What makes tests short. */
export const quick = {
  ...{ heartbeatInterval: "300ms", pollInterval: "20ms", startFrom: "oldest" },
  ...{ direction: "input", consumerGroup: "members" },
};

export function slsSource(server: Place): Source {
  return {
    binding: sls,
    largest: 2 ** 20,
    // Texts are UTF-8.
    bytes: Uint8Array.from({ length: 128 }, (_, index) => index),
    ordered: { properties: {}, keys: ["a", "b", "c", "d"] },
    async place() {
      const client = new LogClient(server);
      const logstore = uniqueName("orders").toLowerCase();
      await client.createLogstore(logstore, 16);
      const properties = {
        ...{ ...account, ...quick, endpoint: `http://${server.host}:${server.port}` },
        ...{ logstore, dataKey: "content", consumerName: "one" },
      };
      return {
        properties,
        send: (data, key) => client.put(logstore, { content: Buffer.from(data) }, { key }),
        async sendMarked() {
          const tags = { __receive_time__: "1700000001" };
          await client.put(logstore, { a: "1", content: "x", empty: "" }, { tags });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              ...{ project: account.project, logstore, topic: "checkout", source: "10.0.0.1" },
              ...{ time: "1700000000", consumerGroup: "members", consumer: "one" },
            });
            expect(headers.map(({ name, value }) => [name, Buffer.from(value).toString()])).toEqual(
              [
                ["a", "1"],
                ["empty", ""],
                ["__tag__:__receive_time__", "1700000001"],
              ],
            );
          };
        },
      };
    },
  };
}

import { expect } from "vitest";
import kubemq from "../../../src/bindings/kubemq/index.ts";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { endAfterTest, type Source } from "../contract.ts";

type Server = { readonly host: string; readonly port: number };

export function kubemqSource(server: Server): Source {
  return {
    binding: kubemq,
    largest: 2 ** 20,
    async place() {
      const client = kubemqClient(server);
      endAfterTest(() => client.close());
      const channel = uniqueName("orders");
      return {
        properties: { address: `${server.host}:${server.port}`, channel },
        send: (data) => client.send(channel, data),
        async sendMarked() {
          const tags = { colour: "grün", empty: "" };
          await client.send(channel, "x", tags);
          return ({ metadata, headers }) => {
            expect(metadata).toEqual({});
            const shown = headers.map(({ name, value }) => [name, Buffer.from(value).toString()]);
            expect(Object.fromEntries(shown)).toEqual(tags);
          };
        },
      };
    },
  };
}

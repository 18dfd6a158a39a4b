import nats from "../../../src/bindings/nats/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeStream, natsClient } from "../nats/contract-source.ts";
import { testAttempts } from "./suite.ts";

describeWith("nats", (server) => {
  for (const [name, operation, metadata] of [
    ["create", "create", {}],
    ["create with an id", "create", { msgId: "m-1" }],
    ["publish", "publish", {}],
    ["request", "request", {}],
  ] as const) {
    testAttempts(nats, name, async () => {
      const client = natsClient(server);
      const subject = `${await makeStream(client)}.a`;
      const came: string[] = [];
      await client.run(async (connection) => {
        connection.subscribe(subject, {
          callback: (_, message) => void came.push(message.string()),
        });
        await connection.flush();
      });
      return {
        server,
        properties: ({ host, port }) => ({ servers: `nats://${host}:${port}`, subject }),
        ...{ operation, idempotent: "msgId" in metadata },
        request: (data) => ({ data, metadata }),
        async done(mark) {
          await client.run((connection) => connection.flush());
          return came.filter((text) => text === mark).length;
        },
      };
    });
  }
});

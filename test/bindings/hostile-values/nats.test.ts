import type { Msg } from "@nats-io/transport-node";
import nats from "../../../src/bindings/nats/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeStream, natsClient } from "../nats/contract-source.ts";
import { testHostileValues } from "./suite.ts";

describeWith("nats", (server) => {
  testHostileValues(nats, ["the subject", "a header", "the id"], async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    const came: Msg[] = [];
    await client.run(async (connection) => {
      connection.subscribe(">", {
        callback: (_, message) => void (message.subject.startsWith(stream) && came.push(message)),
      });
      await connection.flush();
    });
    const arrived = async () => {
      await client.run((connection) => connection.flush());
      return came.splice(0);
    };
    const subject = `${stream}.a`;
    const named = async (name: string) =>
      (await arrived()).map(({ headers }) => headers?.get(name) ?? "");
    return {
      properties: { servers: server.url, stream: "none", consumer: "none" },
      places: {
        "the subject": {
          send: (output, value) => output.invoke("create", { subject: `${stream}.${value}` }),
          arrived: async () => (await arrived()).map((one) => one.subject.slice(stream.length + 1)),
        },
        "a header": {
          send: (output, value) => output.invoke("publish", { subject, "header:mark": value }),
          arrived: () => named("mark"),
        },
        "the id": {
          send: (output, msgId) => output.invoke("create", { subject, msgId }),
          arrived: () => named("Nats-Msg-Id"),
        },
      },
    };
  });
});

import { connect } from "amqplib";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

export const rabbitmq: Suite = {
  name: "rabbitmq",
  servers: ["rabbitmq"],
  async prepare({ servers }) {
    const base = uniqueName("golden");
    const host = `amqp://${servers.rabbitmq}`;
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data: unknown = "x",
      binding = "out",
    ): Call => ({ ...{ name, binding, operation, metadata, data } });
    const at = (name: string, direction: string) => ({
      ...{ name, type: "bindings.rabbitmq" },
      metadata: { host, queueName: `${base}-${name}`, durable: "true", direction },
    });
    const drop = async (): Promise<void> => {
      const connection = await connect(host);
      const channel = await connection.createChannel();
      for (const name of ["in", "out"]) await channel.deleteQueue(`${base}-${name}`);
      await connection.close();
    };
    return {
      components: [at("out", "output"), at("in", "input")],
      names: [[base, "{base}"]],
      calls: [
        one("create", "create"),
        one("create with a time to live", "create", { ttlInSeconds: "60" }),
        one("a time to live that is none", "create", { ttlInSeconds: "x" }),
        one("a time to live of zero", "create", { ttlInSeconds: "0" }),
        one("a negative time to live", "create", { ttlInSeconds: "-1" }),
        one("a priority that is none", "create", { priority: "x" }),
        one("a priority of 300", "create", { priority: "300" }),
        one("an operation that is not there", "get"),
        one("an input is no output", "create", {}, "x", "in"),
      ],
      inputs: ["in"],
      events: 3,
      async send() {
        const connection = await connect(host);
        const channel = await connection.createConfirmChannel();
        const queue = `${base}-in`;
        channel.sendToQueue(queue, Buffer.from("text"), { headers: { colour: "blue", count: 1 } });
        channel.sendToQueue(queue, Buffer.alloc(0));
        channel.sendToQueue(queue, Buffer.from('{"b":1, "a":2}'), { contentType: "text/plain" });
        await channel.waitForConfirms();
        await connection.close();
      },
      close: drop,
    };
  },
};

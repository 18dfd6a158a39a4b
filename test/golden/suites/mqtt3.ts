import { connectAsync } from "mqtt";
import { uniqueName } from "../../servers/unique-name.ts";
import { until } from "../../until.ts";
import { probe } from "../run-suite.ts";
import type { Call, Suite } from "../suite.ts";

export const mqtt3: Suite = {
  name: "mqtt3",
  servers: ["mosquitto"],
  async prepare({ servers }) {
    const topic = uniqueName("golden");
    const url = `mqtt://${servers.mosquitto}`;
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data: unknown = "x",
      binding = "out",
    ): Call => ({ ...{ name, binding, operation, metadata, data } });
    const at = (name: string, direction: string, own: string) => ({
      ...{ name, type: "bindings.mqtt3" },
      metadata: { url, topic: own, consumerID: `${topic}-${name}`, qos: "1", direction },
    });
    return {
      components: [at("out", "output", `${topic}/out`), at("in", "input", `${topic}/in/#`)],
      names: [[topic, "{topic}"]],
      calls: [
        one("create", "create"),
        one("create at another topic", "create", { topic: `${topic}/other` }),
        one("a topic with a wildcard", "create", { topic: `${topic}/#` }),
        one("an operation that is not there", "get"),
        one("an input is no output", "create", {}, "x", "in"),
      ],
      inputs: ["in"],
      events: 3,
      async send(arrived) {
        const client = await connectAsync(url);
        // Until the input has subscribed, nobody keeps what is sent.
        const reads = async (): Promise<boolean> => {
          if (!arrived()) await client.publishAsync(`${topic}/in/0`, probe, { qos: 1 });
          return arrived();
        };
        await until(reads, { what: "the input to read", within: 60_000 });
        await client.publishAsync(`${topic}/in/1`, "text", { qos: 1 });
        await client.publishAsync(`${topic}/in/2`, "", { qos: 1 });
        await client.publishAsync(`${topic}/in/3`, '{"b":1, "a":2}', { qos: 1 });
        await client.endAsync();
      },
    };
  },
};

import { kubemqClient } from "../../servers/kubemq-client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

export const kubemq: Suite = {
  name: "kubemq",
  servers: ["kubemq"],
  async prepare({ servers }) {
    const [host = "", port = ""] = servers.kubemq.split(":");
    const client = kubemqClient({ host, port: Number(port) });
    const [out, events] = [uniqueName("golden-out"), uniqueName("golden-in")];
    const one = (name: string, metadata = {}, data: unknown = "x", operation = "create"): Call => ({
      ...{ name, binding: "out", operation, metadata, data },
    });
    const at = (name: string, channel: string, direction: string) => ({
      ...{ name, type: "bindings.kubemq" },
      metadata: { address: servers.kubemq, channel, direction },
    });
    return {
      components: [at("out", out, "output"), at("events", events, "input")],
      names: [
        [out, "{out}"],
        [events, "{events}"],
      ],
      calls: [
        one("create"),
        one("create of an object", {}, { a: 1 }),
        one("create with policies", { delaySeconds: "1", expirationSeconds: "60" }),
        one("a delay that is none", { delaySeconds: "soon", maxReceiveCount: "-1" }),
        one("an operation that is not there", {}, "x", "get"),
      ],
      inputs: ["events"],
      events: 2,
      async send() {
        for (const data of ["text", '{"b":1, "a":2}']) await client.send(events, data);
      },
      async close() {
        await client.close();
      },
    };
  },
};

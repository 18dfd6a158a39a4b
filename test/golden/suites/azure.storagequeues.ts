import { makeQueue, queueProperties } from "../../bindings/azure/queue-source.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

export const azureStorageQueues: Suite = {
  name: "azure.storagequeues",
  servers: ["azurite-queue"],
  async prepare({ servers }) {
    const url = `http://${servers["azurite-queue"]}`;
    const input = await makeQueue({ url });
    const base = uniqueName("golden").replaceAll(/[^a-z0-9]+/g, "-");
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data: unknown = "x",
      binding = "out",
    ): Call => ({ ...{ name, binding, operation, metadata, data } });
    const at = (name: string, queueName: string, direction: string) => ({
      ...{ name, type: "bindings.azure.storagequeues" },
      metadata: { ...queueProperties({ url }, queueName), direction },
    });
    return {
      components: [at("out", `${base}-out`, "output"), at("in", input.queueName, "input")],
      names: [
        [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "{id}"],
        [/(?<="popreceipt":")[^"]*/gi, "{receipt}"],
        [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "{time}"],
      ],
      calls: [
        one("create", "create"),
        one("create with a time to live", "create", { ttlInSeconds: "60" }),
        one("a time to live as a duration, in other letters", "create", { TTL: "1m" }),
        one("a time to live that is none", "create", { ttlInSeconds: "x" }),
        one("a negative time to live", "create", { ttlInSeconds: "-1" }),
        one("a delay", "create", { initialVisibilityDelay: "5s" }),
        one("a delay that is none", "create", { initialVisibilityDelay: "soon" }),
        one("an operation that is not there", "get"),
        one("an input is no output", "create", {}, "x", "in"),
      ],
      inputs: ["in"],
      events: 2,
      async send() {
        await input.sendMessage("text");
        await input.sendMessage('{"b":1, "a":2}');
      },
      close: async () => void (await input.deleteIfExists()),
    };
  },
};

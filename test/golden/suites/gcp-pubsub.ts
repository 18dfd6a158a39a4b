import { GrpcClient } from "../../../src/grpc/client.ts";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

type Written = (writer: BinaryWriter) => void;

export const gcpPubsub: Suite = {
  name: "gcp.pubsub",
  servers: ["pstest"],
  async prepare({ servers }) {
    const [host = "", port = ""] = servers.pstest.split(":");
    const client = new GrpcClient({ host, port: Number(port), lazy: true });
    const call = async (method: string, ...parts: readonly Written[]): Promise<void> => {
      const path = `/google.pubsub.v1.${method}`;
      const result = await client.unary(path, written(parts), { waitForConnection: true });
      if (result.kind !== "ok") throw new Error(JSON.stringify(result));
    };
    const [topic, events] = [uniqueName("golden-out"), uniqueName("golden-in")];
    const full = (kind: string, name: string) => `projects/shop/${kind}s/${name}`;
    for (const name of [topic, events])
      await call("Publisher/CreateTopic", text(1, full("topic", name)));
    const deadline: Written = (writer) => void writer.tag(5, WireType.Varint).int32(10);
    const of = text(2, full("topic", events));
    const subscription = text(1, full("subscription", events));
    await call("Subscriber/CreateSubscription", subscription, of, deadline);
    const one = (name: string, operation: string, metadata = {}, data: unknown = "x"): Call => ({
      ...{ name, binding: "topic", operation, metadata, data },
    });
    const common = { projectID: "shop" };
    return {
      // As Dapr's users do; both runtimes follow it.
      environment: { PUBSUB_EMULATOR_HOST: servers.pstest },
      components: [
        {
          ...{ name: "topic", type: "bindings.gcp.pubsub" },
          metadata: { ...common, topic, direction: "output" },
        },
        {
          ...{ name: "events", type: "bindings.gcp.pubsub" },
          metadata: { ...common, topic: events, subscription: events, direction: "input" },
        },
      ],
      names: [
        [topic, "{topic}"],
        [events, "{events}"],
        [/\bm\d+\b/g, "{id}"],
        [/\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC/g, "{time}"],
      ],
      calls: [
        one("create", "create"),
        one("create of an object", "create", {}, { a: 1 }),
        one("create in another topic", "create", { topic: events }, "other"),
        one("a topic that is not there", "create", { topic: "not-there" }),
        one("an operation that is not there", "get"),
      ],
      inputs: ["events"],
      events: 3,
      async send() {
        for (const data of ["text", '{"b":1, "a":2}']) {
          const message = written([text(1, data)]);
          const messages: Written = (writer) =>
            void writer.tag(2, WireType.LengthDelimited).bytes(message);
          await call("Publisher/Publish", text(1, full("topic", events)), messages);
        }
      },
      async close() {
        await client.close();
      },
    };
  },
};

function text(field: number, value: string): Written {
  return (writer) => void writer.tag(field, WireType.LengthDelimited).string(value);
}

function written(parts: readonly Written[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const part of parts) part(writer);
  return writer.finish();
}

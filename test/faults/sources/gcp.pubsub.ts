import { createServer } from "node:http";
import { once } from "node:events";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GrpcClient } from "../../../src/grpc/client.ts";
import { startProxy } from "../../servers/proxy.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { sender, type OpenedSource, type Source } from "../opened-source.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** A subscription that keeps the order, read with tokens of a server of its own. */
export const gcpPubsub: Source = {
  name: "gcp.pubsub",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const pubsub = await kit.servers.pstest(kit.ownServer);
    const { server } = pubsub;
    const proxy = await startProxy(server);
    const topic = `projects/shop/topics/${uniqueName("faults").replaceAll(/[^\w-]/g, "-")}`;
    const subscription = topic.replace("/topics/", "/subscriptions/");
    const token = randomUUID();
    await pubsub.allow(token);
    const connect = () => new GrpcClient({ host: server.host, port: server.port, lazy: true });
    const owner = connect();
    await call(owner, "Publisher/CreateTopic", text(1, topic));
    const ordered = (writer: BinaryWriter): void =>
      void writer.tag(5, WireType.Varint).int32(10).tag(10, WireType.Varint).bool(true);
    const parts = [text(1, subscription), text(2, topic), ordered];
    await call(owner, "Subscriber/CreateSubscription", ...parts);
    await owner.close();
    const tokens = createServer((_, response) => {
      response.end(JSON.stringify({ access_token: token, expires_in: 3600 }));
    });
    tokens.listen(0, "127.0.0.1");
    await once(tokens, "listening");
    const address = tokens.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const { send, close } = sender(async () => {
      const client = connect();
      return {
        async send(event) {
          const inner = new BinaryWriter();
          text(1, JSON.stringify(event))(inner);
          text(5, event.key)(inner);
          const message = (writer: BinaryWriter): void =>
            void writer.tag(2, WireType.LengthDelimited).bytes(inner.finish());
          await call(client, "Publisher/Publish", text(1, topic), message);
        },
        close: () => client.close(),
      };
    });
    return {
      component: {
        ...{ name: "subscription", type: "bindings.gcp.pubsub" },
        metadata: {
          ...{ projectID: "shop", subscription, direction: "input", ackDeadline: "10s" },
          endpoint: `http://${proxy.host}:${proxy.port}`,
          ...{ type: "service_account", privateKeyID: "1", clientEmail: "shop@test" },
          privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
          tokenURI: `http://127.0.0.1:${port}/token`,
        },
      },
      ordered: true,
      ...{ server, proxy, send },
      unreachable: { endpoint: "http://127.0.0.1:1" },
      credentials: { revoke: () => pubsub.deny(token), restore: () => pubsub.allow(token) },
      async [Symbol.asyncDispose]() {
        await close();
        tokens.closeAllConnections();
        tokens.close();
        await proxy[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

type Written = (writer: BinaryWriter) => void;

function text(field: number, value: string): Written {
  return (writer) => void writer.tag(field, WireType.LengthDelimited).string(value);
}

/** As the owner, whose token is always taken. */
async function call(client: GrpcClient, method: string, ...parts: readonly Written[]) {
  const writer = new BinaryWriter();
  for (const part of parts) part(writer);
  const headers = { authorization: "Bearer owner" };
  const options = { headers, waitForConnection: true, timeout: 5_000 };
  const path = `/google.pubsub.v1.${method}`;
  const result = await client.unary(path, writer.finish(), options);
  if (result.kind !== "ok") throw new Error(`${method}: ${JSON.stringify(result)}`);
}

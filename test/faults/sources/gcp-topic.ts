import { createServer } from "node:http";
import { once } from "node:events";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GrpcClient } from "../../../src/grpc/client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import type { ComponentYaml } from "../runtime-process.ts";
import type { PstestWithTokens } from "../servers.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

type Written = (writer: BinaryWriter) => void;
type Message = {
  readonly data: string;
  readonly key?: string;
  readonly attributes?: Readonly<Record<string, string>>;
};

/** A topic and its subscription, read with tokens of a server of its own. */
export type Topic = AsyncDisposable & {
  readonly subscription: string;
  /** The component's metadata that log in. */
  readonly login: ComponentYaml["metadata"];
  readonly credentials: { revoke(): Promise<void>; restore(): Promise<void> };
  /** A client that publishes. */
  connect(): { publish(message: Message): Promise<void>; close(): Promise<void> };
};

export async function openTopic(pubsub: PstestWithTokens, isOrdered: boolean): Promise<Topic> {
  const { server } = pubsub;
  const topic = `projects/shop/topics/${uniqueName("faults").replaceAll(/[^\w-]/g, "-")}`;
  const subscription = topic.replace("/topics/", "/subscriptions/");
  const token = randomUUID();
  await pubsub.allow(token);
  const connect = () => new GrpcClient({ host: server.host, port: server.port, lazy: true });
  const owner = connect();
  await call(owner, "Publisher/CreateTopic", text(1, topic));
  const settings: Written = (writer) =>
    void writer.tag(5, WireType.Varint).int32(10).tag(10, WireType.Varint).bool(isOrdered);
  const parts = [text(1, subscription), text(2, topic), settings];
  await call(owner, "Subscriber/CreateSubscription", ...parts);
  await owner.close();
  const tokens = createServer((_, response) => {
    response.end(JSON.stringify({ access_token: token, expires_in: 3600 }));
  });
  tokens.listen(0, "127.0.0.1");
  await once(tokens, "listening");
  const address = tokens.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    subscription,
    login: {
      ...{ type: "service_account", privateKeyID: "1", clientEmail: "shop@test" },
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
      tokenURI: `http://127.0.0.1:${port}/token`,
    },
    credentials: { revoke: () => pubsub.deny(token), restore: () => pubsub.allow(token) },
    connect() {
      const client = connect();
      return {
        async publish({ data, key = "", attributes = {} }) {
          const parts = Object.entries(attributes).map(([name, value]) =>
            inside(2, text(1, name), text(2, value)),
          );
          const message = inside(2, text(1, data), ...parts, text(5, key));
          await call(client, "Publisher/Publish", text(1, topic), message);
        },
        close: () => client.close(),
      };
    },
    async [Symbol.asyncDispose]() {
      tokens.closeAllConnections();
      tokens.close();
    },
  };
}

function text(field: number, value: string): Written {
  return (writer) => void writer.tag(field, WireType.LengthDelimited).string(value);
}

function inside(field: number, ...parts: readonly Written[]): Written {
  return (writer) => {
    const inner = new BinaryWriter();
    for (const part of parts) part(inner);
    writer.tag(field, WireType.LengthDelimited).bytes(inner.finish());
  };
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

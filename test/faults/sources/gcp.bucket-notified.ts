import { notification } from "../../bindings/gcp/gcp.bucket/notification-source.ts";
import { makeBucket, putObject } from "../../bindings/gcp/gcp.bucket/make-bucket.ts";
import { startProxy } from "../../servers/proxy.ts";
import { together } from "../networks.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";
import { openTopic } from "./gcp-topic.ts";

/** A bucket that tells a subscription of its objects. Faults of the network are faults of both servers'. */
export const gcpBucketNotified: Source = {
  name: "gcp.bucket-notified",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const store = await kit.servers.fakeGcs(false);
    const pubsub = await kit.servers.pstest(kit.ownServer);
    const { server } = pubsub;
    const toStore = await startProxy(store);
    const toPubsub = await startProxy(server);
    const bucket = await makeBucket(store);
    const topic = await openTopic(pubsub, false);
    const { subscription, login, credentials } = topic;
    const { send, close } = sender(async () => {
      const client = topic.connect();
      return {
        async send(event) {
          const name = `in/${event.uuid}`;
          await putObject(store.url, bucket, name, JSON.stringify(event));
          const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`;
          const resource = (await (await fetch(store.url + path)).json()) as { generation: string };
          const { data, attributes } = notification(bucket, { name, ...resource });
          await client.publish({ data: data.toString(), attributes });
        },
        close: () => client.close(),
      };
    });
    return {
      component: {
        ...{ name: "bucket", type: "bindings.gcp.bucket" },
        metadata: {
          ...{ bucket, projectID: "shop", direction: "input", ackDeadline: "10s" },
          notificationSubscription: subscription,
          endpoint: `http://${toStore.host}:${toStore.port}`,
          notificationEndpoint: `http://${toPubsub.host}:${toPubsub.port}`,
          ...login,
        },
      },
      ordered: false,
      ...{ server, send, credentials },
      proxy: together(toStore, toPubsub),
      unreachable: { notificationEndpoint: `http://${unreachableAddress}` },
      async [Symbol.asyncDispose]() {
        await close();
        await topic[Symbol.asyncDispose]();
        await toStore[Symbol.asyncDispose]();
        await toPubsub[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

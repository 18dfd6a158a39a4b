import { makeQueue } from "../../bindings/aws/aws.sqs/contract-source.ts";
import { makeBucket } from "../../bindings/aws/aws.s3/moto-bucket.ts";
import { record } from "../../bindings/aws/aws.s3/notification-source.ts";
import { startProxy } from "../../servers/proxy.ts";
import { together } from "../networks.ts";
import { sender, unreachableAddress, type OpenedSource, type Source } from "../opened-source.ts";

/**
 * A bucket that tells a queue on disk of its objects. Faults of the network are those of both servers; the queue's is
 * the one that is killed, for moto keeps objects in memory.
 */
export const s3Notified: Source = {
  name: "aws.s3-notified",
  bounds: { app: 64, runtime: 64, server: 64 },
  async opened(kit) {
    const store = await kit.servers.moto(false);
    const server = await kit.servers.elasticmq(kit.ownServer);
    const toStore = await startProxy(store);
    const toQueue = await startProxy(server);
    const bucket = await makeBucket(store);
    const queue = await makeQueue(server);
    const { send, close } = sender(async () => ({
      async send(event) {
        const key = `in/${event.uuid}`;
        const body = JSON.stringify(event);
        await bucket.put(key, body);
        const size = Buffer.byteLength(body);
        await queue.send(JSON.stringify({ Records: [record(bucket.bucket, key, { size })] }));
      },
      close: async () => undefined,
    }));
    return {
      component: {
        ...{ name: "bucket", type: "bindings.aws.s3" },
        metadata: {
          ...bucket.properties,
          endpoint: `http://${toStore.host}:${toStore.port}`,
          notificationEndpoint: `http://${toQueue.host}:${toQueue.port}`,
          ...{ direction: "input", notificationQueue: queue.queueName, prefix: "in/" },
          ...{ visibilityTimeout: "5s", waitTime: "5s" },
        },
      },
      ordered: false,
      ...{ server, send },
      proxy: together(toStore, toQueue),
      unreachable: { notificationEndpoint: `http://${unreachableAddress}` },
      async remains() {
        const { waiting, hidden } = await queue.counts();
        const left = waiting + hidden;
        return left === 0 ? undefined : `${left} messages are still in the queue`;
      },
      async [Symbol.asyncDispose]() {
        await close();
        await toStore[Symbol.asyncDispose]();
        await toQueue[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};

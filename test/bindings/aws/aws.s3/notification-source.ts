import { expect } from "vitest";
import s3 from "../../../../src/bindings/aws/aws.s3/index.ts";
import type { Source } from "../../contract.ts";
import { makeQueue } from "../aws.sqs/contract-source.ts";
import { makeBucket } from "./moto-bucket.ts";

type Server = { readonly url: string };

/** A record of S3's own notification. */
export function record(bucket: string, key: string, object: object, eventName?: string): object {
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    eventTime: "2026-11-30T06:00:00.000Z",
    eventName: eventName ?? "ObjectCreated:Put",
    s3: {
      bucket: { name: bucket },
      object: { key: encodeURIComponent(key).replaceAll("%20", "+"), ...object },
    },
  };
}

/** A bucket, and a queue that is told of its objects as S3 would tell it. */
export async function makeNotified(server: Server) {
  const bucket = await makeBucket(server);
  const queue = await makeQueue(server);
  /** Stores an object; resolves to what its notification says of it. */
  const store = async (key: string, body: Uint8Array | string): Promise<object> => {
    await bucket.put(key, body);
    const etag = (await bucket.head(key)).get("etag") ?? "";
    return record(bucket.bucket, key, {
      size: Buffer.byteLength(body),
      eTag: etag.replaceAll('"', ""),
    });
  };
  return {
    ...{ bucket, queue, store },
    properties: {
      ...bucket.properties,
      ...{ direction: "input", notificationQueue: queue.queueName, inlineLimit: "2Mi" },
      ...{ notificationEndpoint: server.url, waitTime: "1s", visibilityTimeout: "30s" },
    },
    tell: (...records: readonly object[]) => queue.send(JSON.stringify({ Records: records })),
  };
}

export function notificationSource(server: Server): Source {
  return {
    binding: s3,
    largest: 1024 * 1024,
    async place() {
      const place = await makeNotified(server);
      let sent = 0;
      const put = async (data: Uint8Array): Promise<string> => {
        const key = `in/${++sent} ü+.bin`;
        await place.tell(await place.store(key, data));
        return key;
      };
      return {
        properties: { ...place.properties, visibilityTimeout: "1s" },
        async send(data) {
          await put(data);
        },
        async sendMarked() {
          const key = await put(Buffer.from("x"));
          return ({ metadata, id }) => {
            const { bucket } = place.bucket;
            const etag = '"9dd4e461268c8034f5c8564e155c67a6"';
            expect(metadata).toEqual({
              ...{ bucket, key, etag, size: "1", inline: "true" },
              time: "2026-11-30T06:00:00.000Z",
            });
            expect(id).toBe(`${bucket}/${key}:${etag}`);
          };
        },
      };
    },
  };
}

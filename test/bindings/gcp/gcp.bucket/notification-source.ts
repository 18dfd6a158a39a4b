import { expect } from "vitest";
import gcpBucket from "../../../../src/bindings/gcp/gcp.bucket/index.ts";
import type { Source } from "../../contract.ts";
import { pubsubPeer, type Sent } from "../gcp.pubsub/peer.ts";
import { makeBucket, putObject } from "./make-bucket.ts";

export type Servers = {
  readonly "fake-gcs": { readonly url: string };
  readonly pstest: { readonly host: string; readonly port: number; readonly url: string };
};

type Resource = Readonly<Record<string, string>> & { readonly generation: string };

/** A notification as Cloud Storage's reference has it, of an object as its JSON API describes it. */
export function notification(
  bucket: string,
  resource: Resource,
  more: Readonly<Record<string, string>> = {},
): Required<Omit<Sent, "orderingKey">> {
  const { payloadFormat = "JSON_API_V1" } = more;
  return {
    data: payloadFormat === "NONE" ? "" : JSON.stringify(resource),
    attributes: {
      notificationConfig: `projects/_/buckets/${bucket}/notificationConfigs/1`,
      ...{ eventType: "OBJECT_FINALIZE", payloadFormat, bucketId: bucket },
      ...{ objectId: resource["name"] ?? "", objectGeneration: resource.generation },
      eventTime: "2026-11-30T06:00:00.000000Z",
      ...more,
    },
  };
}

/** A bucket, and a subscription that is told of its objects as Cloud Storage would tell it. */
export async function makeNotified({ "fake-gcs": store, pstest }: Servers, name?: string) {
  const bucket = await makeBucket(store, name);
  const peer = pubsubPeer(pstest);
  const topic = await peer.makeTopic();
  const subscription = await peer.makeSubscription(topic);
  /** Stores an object; resolves to what Cloud Storage says of it. */
  const put = async (key: string, body: Uint8Array | string): Promise<Resource> => {
    await putObject(store.url, bucket, key, body);
    const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}`;
    return (await (await fetch(store.url + path)).json()) as Resource;
  };
  return {
    ...{ bucket, put },
    properties: {
      ...{ bucket, projectID: "shop", endpoint: store.url, direction: "input" },
      ...{ notificationSubscription: subscription, notificationEndpoint: pstest.url },
      ...{ ackDeadline: "10s", inlineLimit: "2Mi" },
    },
    tell: (resource: Resource, more?: Readonly<Record<string, string>>) =>
      peer.publish(topic, notification(bucket, resource, more)),
    publish: (message: Sent) => peer.publish(topic, message),
  };
}

export function notificationSource(servers: Servers): Source {
  return {
    binding: gcpBucket,
    largest: 1024 * 1024,
    async place() {
      const place = await makeNotified(servers);
      let sent = 0;
      const put = async (data: Uint8Array, more?: Record<string, string>): Promise<string> => {
        const key = `in/${++sent} ü+.bin`;
        await place.tell(await place.put(key, data), more);
        return key;
      };
      return {
        properties: place.properties,
        async send(data) {
          await put(data);
        },
        async sendMarked() {
          const key = await put(Buffer.from("x"), { payloadFormat: "NONE" });
          return ({ metadata, id }) => {
            const { bucket } = place;
            expect(metadata).toMatchObject({
              ...{ bucket, key, size: "1", inline: "true", contentType: "text/plain" },
              version: expect.stringMatching(/^\d+$/) as string,
              time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/) as string,
            });
            expect(id).toBe(`${bucket}/${key}:${metadata["version"]}`);
          };
        },
      };
    },
  };
}

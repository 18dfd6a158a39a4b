import { expect } from "vitest";
import gcpBucket from "../../../../src/bindings/gcp/gcp.bucket/index.ts";
import type { Source } from "../../contract.ts";
import { makeBucket, putObject } from "./make-bucket.ts";

export function bucketSource(server: { readonly url: string }, onHandled = "delete"): Source {
  return {
    binding: gcpBucket,
    largest: 1024 * 1024,
    async place() {
      const bucket = await makeBucket(server);
      let sent = 0;
      const send = (data: Uint8Array) =>
        putObject(server.url, bucket, `in/${String(++sent).padStart(6, "0")}`, data);
      return {
        properties: {
          ...{ bucket, projectID: "p", endpoint: server.url },
          ...{ direction: "input", onHandled, prefix: "in/" },
          ...{ pollInterval: "20ms", inlineLimit: "2Mi" },
        },
        send,
        async sendMarked() {
          await send(Buffer.from("x"));
          const key = `in/${String(sent).padStart(6, "0")}`;
          return ({ metadata, id }) => {
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

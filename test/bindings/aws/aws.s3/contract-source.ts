import { expect } from "vitest";
import s3 from "../../../../src/bindings/aws/aws.s3/index.ts";
import type { Source } from "../../contract.ts";
import { makeBucket } from "./moto-bucket.ts";

export function s3Source(server: { readonly url: string }, onHandled = "delete"): Source {
  return {
    binding: s3,
    largest: 1024 * 1024,
    async place() {
      const bucket = await makeBucket(server);
      let sent = 0;
      const put = (data: Uint8Array) => bucket.put(`in/${String(++sent).padStart(6, "0")}`, data);
      return {
        properties: {
          ...bucket.properties,
          ...{ direction: "input", onHandled, prefix: "in/" },
          ...{ pollInterval: "20ms", inlineLimit: "2Mi" },
        },
        send: put,
        async sendMarked() {
          await put(Buffer.from("x"));
          const key = `in/${String(sent).padStart(6, "0")}`;
          return ({ metadata, id }) => {
            expect(metadata).toEqual({
              ...{ bucket: bucket.bucket, key, size: "1", inline: "true" },
              etag: '"9dd4e461268c8034f5c8564e155c67a6"',
              time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/) as string,
            });
            expect(id).toBe(`${bucket.bucket}/${key}:"9dd4e461268c8034f5c8564e155c67a6"`);
          };
        },
      };
    },
  };
}

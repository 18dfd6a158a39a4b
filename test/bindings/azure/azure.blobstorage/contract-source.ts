import { expect } from "vitest";
import blobStorage from "../../../../src/bindings/azure/azure.blobstorage/index.ts";
import type { Source } from "../../contract.ts";
import { makeContainer } from "../blob-container.ts";

export function blobSource(server: { readonly url: string }, onHandled = "delete"): Source {
  return {
    binding: blobStorage,
    largest: 1024 * 1024,
    async place() {
      const { container, properties } = await makeContainer(server);
      let sent = 0;
      const send = async (data: Uint8Array): Promise<string> => {
        const key = `in/${String(++sent).padStart(6, "0")}`;
        await container.getBlockBlobClient(key).upload(data, data.length);
        return key;
      };
      return {
        properties: {
          ...properties,
          ...{ direction: "input", onHandled, prefix: "in/" },
          ...{ pollInterval: "20ms", inlineLimit: "2Mi" },
        },
        async send(data) {
          await send(data);
        },
        async sendMarked() {
          const key = await send(Buffer.from("x"));
          const { etag } = await container.getBlobClient(key).getProperties();
          return ({ metadata, id }) => {
            const bucket = container.containerName;
            expect(metadata).toEqual({
              ...{ bucket, key, etag, size: "1", inline: "true" },
              contentType: "application/octet-stream",
              time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/) as string,
            });
            expect(id).toBe(`${bucket}/${key}:${etag ?? ""}`);
          };
        },
      };
    },
  };
}

import aws4 from "aws4";
import { uniqueName } from "../../../servers/unique-name.ts";
import { emulatorLogin } from "../emulator-client.ts";

/** Else a body would be signed as one of a form, which moto reads as that. */
const usual = { "content-type": "application/octet-stream" };

/** A bucket that no other test has, and another program's requests to it. */
export async function makeBucket(server: { readonly url: string }) {
  const bucket = uniqueName("shop")
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 60);
  const send = async (
    method: string,
    path: string,
    { body, headers = {} }: { body?: Uint8Array | string; headers?: Record<string, string> } = {},
  ): Promise<Response> => {
    const login = { accessKeyId: "test", secretAccessKey: "test-secret" };
    const signed = aws4.sign(
      {
        ...{ service: "s3", region: "us-east-1", method, path: `/${bucket}${path}` },
        ...{ host: new URL(server.url).host, headers: { ...usual, ...headers } },
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
      },
      login,
    );
    const response = await fetch(`${server.url}/${bucket}${path}`, {
      ...{ method, headers: signed.headers as Record<string, string> },
      ...(body === undefined ? {} : { body }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
    return response;
  };
  await send("PUT", "");
  const place = (key: string): string => `/${key.split("/").map(encodeURIComponent).join("/")}`;
  return {
    bucket,
    properties: { ...emulatorLogin(server.url), bucket, forcePathStyle: "true" },
    send,
    put: async (key: string, body: Uint8Array | string, headers: Record<string, string> = {}) => {
      await send("PUT", place(key), { body, headers });
    },
    get: async (key: string): Promise<Buffer> => {
      return Buffer.from(await (await send("GET", place(key))).arrayBuffer());
    },
    head: async (key: string): Promise<Headers> => {
      return (await send("HEAD", place(key))).headers;
    },
    tags: async (key: string): Promise<string> => {
      return (await send("GET", `${place(key)}?tagging`)).text();
    },
    keys: async (): Promise<string[]> => {
      const text = await (await send("GET", "?list-type=2")).text();
      return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = ""]) => key);
    },
    /** How many uploads have begun and neither ended nor been given up. */
    openUploads: async (): Promise<number> => {
      const text = await (await send("GET", "?uploads")).text();
      return [...text.matchAll(/<UploadId>/g)].length;
    },
  };
}

import { uniqueName } from "../../../servers/unique-name.ts";
import { emulatorLogin } from "../emulator-client.ts";

const authorization =
  "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

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
    const response = await fetch(`${server.url}/${bucket}${path}`, {
      ...{ method, headers: { authorization, ...headers } },
      ...(body === undefined ? {} : { body }),
    } as RequestInit);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
    return response;
  };
  await send("PUT", "");
  const place = (key: string): string => `/${key.split("/").map(encodeURIComponent).join("/")}`;
  return {
    bucket,
    properties: { ...emulatorLogin(server.url), bucket, forcePathStyle: "true" },
    send,
    async put(key: string, body: Uint8Array | string, headers: Record<string, string> = {}) {
      await send("PUT", place(key), { body, headers });
    },
    async get(key: string): Promise<Buffer> {
      return Buffer.from(await (await send("GET", place(key))).arrayBuffer());
    },
    async head(key: string): Promise<Headers> {
      return (await send("HEAD", place(key))).headers;
    },
    async tags(key: string): Promise<string> {
      return (await send("GET", `${place(key)}?tagging`)).text();
    },
    async keys(): Promise<string[]> {
      const text = await (await send("GET", "?list-type=2")).text();
      return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = ""]) => key);
    },
    /** How many uploads have begun and neither ended nor been given up. */
    async openUploads(): Promise<number> {
      const text = await (await send("GET", "?uploads")).text();
      return [...text.matchAll(/<UploadId>/g)].length;
    },
  };
}

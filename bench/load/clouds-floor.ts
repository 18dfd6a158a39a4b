// The clouds' requests as a program makes them that has nothing but what the bindings stand on: aws4's signature or
// Azure's shared key, and undici.
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { authorization, readSharedKey } from "../../src/bindings/azure/shared-key.ts";
import { loadSigning } from "../../src/identity/aws/signing.ts";
import { parseXml, textAt } from "../../src/text/xml.ts";
import { accountKey, keys } from "../systems/clouds/keys.ts";

const partBytes = 8 << 20;
const account = readSharedKey("account", accountKey);

export type Send = (request: {
  readonly method: "GET" | "POST" | "PUT";
  readonly path?: string;
  readonly headers: Record<string, string>;
  readonly body?: Buffer;
}) => Promise<Dispatcher.ResponseData>;

/** Signs requests to a service of AWS and sends them; rejects for every answer but 2xx. */
export async function openAws(service: "s3" | "sqs", url: string): Promise<Send> {
  const [{ Pool }, sign] = await Promise.all([import("undici"), loadSigning()]);
  const { origin, host } = new URL(url);
  const pool = new Pool(origin, { connections: 64 });
  return async ({ method, path = "/", headers, body }) => {
    // The declared type of a body is narrower than what is taken.
    const content = body === undefined ? {} : { body: body as unknown as string };
    const wanted = { service, region: "us-east-1", host, method, path, headers, ...content };
    const signed = sign(wanted, keys).headers as Record<string, string>;
    // The driver's own business.
    delete signed["Host"];
    delete signed["Content-Length"];
    const answer = await pool.request({ method, path, headers: signed, body: body ?? null });
    if (answer.statusCode >= 300) throw new Error(await answer.body.text());
    return answer;
  };
}

/** Operations of one queue of SQS. */
export async function openSqs(
  url: string,
  queue: string,
): Promise<(operation: string, input: object) => Promise<Record<string, unknown>>> {
  const send = await openAws("sqs", url);
  const ask = async (operation: string, input: object): Promise<Record<string, unknown>> => {
    const headers = {
      "Content-Type": "application/x-amz-json-1.0",
      "X-Amz-Target": `AmazonSQS.${operation}`,
    };
    const body = Buffer.from(JSON.stringify(input));
    const answer = await send({ method: "POST", headers, body });
    return (await answer.body.json()) as Record<string, unknown>;
  };
  const { QueueUrl } = await ask("GetQueueUrl", { QueueName: queue });
  return (operation, input) => ask(operation, { QueueUrl, ...input });
}

/** Stores an object in parts, as its bytes come. */
export async function putInParts(
  send: Send,
  path: string,
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const type = { "Content-Type": "application/octet-stream" };
  const begun = await send({ method: "POST", path: `${path}?uploads`, headers: {} });
  const upload = textAt(parseXml(await begun.body.text()), "UploadId") ?? "";
  const etags: string[] = [];
  const put = async (body: Buffer): Promise<void> => {
    const query = `?partNumber=${etags.length + 1}&uploadId=${upload}`;
    const answer = await send({ method: "PUT", path: path + query, headers: { ...type }, body });
    await answer.body.dump();
    etags.push(String(answer.headers["etag"]));
  };
  const part = Buffer.allocUnsafeSlow(partBytes);
  let length = 0;
  for await (const bytes of content)
    for (let at = 0; at < bytes.length;) {
      const taken = bytes.copy(part, length, at, at + partBytes - length);
      [length, at] = [length + taken, at + taken];
      if (length < partBytes) continue;
      await put(part);
      length = 0;
    }
  if (length > 0) await put(part.subarray(0, length));
  const parts = etags.map(
    (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
  const ended = await send({
    method: "POST",
    path: `${path}?uploadId=${upload}`,
    headers: {},
    body,
  });
  await ended.body.dump();
}

/** An object's bytes as they come. */
export async function getInParts(send: Send, path: string): Promise<Readable> {
  const answer = await send({ method: "GET", path, headers: {} });
  return answer.body;
}

/** Requests of a queue of the storage account. */
export async function openStorageQueue(
  url: string,
): Promise<
  (method: "GET" | "DELETE", path: string, query: Record<string, string>) => Promise<string>
> {
  const { Pool } = await import("undici");
  const pool = new Pool(url, { connections: 64 });
  return async (method, path, query) => {
    const headers: Record<string, string> = {
      "x-ms-date": new Date().toUTCString(),
      "x-ms-version": "2021-12-02",
    };
    const signed = { method, path, query, headers, contentLength: 0 };
    headers["authorization"] = authorization(account, signed);
    const search = new URLSearchParams(query).toString();
    const answer = await pool.request({ method, path: `${path}?${search}`, headers });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(text);
    return text;
  };
}

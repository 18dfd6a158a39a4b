import type { IncomingMessage, ServerResponse } from "node:http";
import { plainPayload } from "../../wire/payload.ts";

const large = Buffer.alloc(256 * 1024, "0123456789abcdef");
const etag = '"9a0364b9e99bb480dd25e1f0284c8555"';

/** Requests that were done. */
export const done = { puts: 0, gets: 0, bytes: 0 };

/** S3 of one kind of object: what is put is counted and forgotten, and a key that begins with a number of bytes has so many. */
export async function answerS3(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const { method } = request;
  if (method === "GET") return give(response, Number(/(\d+)$/.exec(url.pathname)?.[1] ?? 0));
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) bytes += chunk.length;
  if (method === "PUT") {
    done.bytes += bytes;
    if (!url.searchParams.has("partNumber")) done.puts++;
    response.writeHead(200, { etag, "content-length": 0 }).end();
  } else if (url.searchParams.has("uploads"))
    answerXml(
      response,
      "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
    );
  else {
    done.puts++;
    const name = "CompleteMultipartUploadResult";
    answerXml(response, `<${name}><Location>x</Location><ETag>${etag}</ETag></${name}>`);
  }
}

function answerXml(response: ServerResponse, xml: string): void {
  const headers = { "content-type": "application/xml", "content-length": xml.length };
  response.writeHead(200, headers).end(xml);
}

async function give(response: ServerResponse, bytes: number): Promise<void> {
  done.gets++;
  const headers = { etag, "content-type": "application/octet-stream", "content-length": bytes };
  response.writeHead(200, headers);
  if (bytes === plainPayload.length) {
    response.end(plainPayload);
    return;
  }
  for (let left = bytes; left > 0; left -= large.length) {
    const part = left < large.length ? large.subarray(0, left) : large;
    if (!response.write(part))
      await new Promise<void>((resolve) => response.once("drain", () => resolve()));
  }
  response.end();
}

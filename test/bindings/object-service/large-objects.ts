import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { onTestFinished } from "vitest";
import { listen } from "../http/loopback-server.ts";
import { bucket, isSigned } from "./stand-in.ts";
import type { Vendor } from "./stand-in.ts";

/** A vendor's stand-in that keeps objects of any size, as files, and ends with the test. It stores and gives them back. */
export async function serveLargeObjects(vendor: Vendor) {
  const folder = await mkdtemp(join(tmpdir(), "objects-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const fileOf = (key: string): string => join(folder, encodeURIComponent(key));
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isSigned(vendor, request)) return void response.writeHead(403).end();
    const file = fileOf(decodeURIComponent((request.url ?? "").slice(`/${bucket}/`.length)));
    if (request.method === "PUT") {
      await pipeline(request, createWriteStream(file));
      return void response.end();
    }
    response.setHeader("content-length", (await stat(file)).size);
    await pipeline(createReadStream(file), response);
  };
  const server = createServer((request, response) => {
    // The caller sees that the connection ends.
    serve(request, response).catch(() => response.destroy());
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${port}`,
    sizeOf: async (key: string) => (await stat(fileOf(key))).size,
  };
}

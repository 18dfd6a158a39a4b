import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import type { Chunk } from "../rpc/stream-caller.ts";
import { startDaemon } from "./daemon.ts";

const mebibyte = 1024 * 1024;
const partSize = 64 * 1024;

test("64 MiB pass through the daemon and back, and its memory grows by less than 16 MiB", async () => {
  const rootPath = await mkdtemp(join(tmpdir(), "cufflink-large-"));
  onTestFinished(() => rm(rootPath, { recursive: true }));
  const component = { name: "files", type: "bindings.localstorage", metadata: { rootPath } };
  await using daemon = await startDaemon({ components: [component] });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${daemon.grpcPort}` });
  const client = createClient(Bindings, transport);

  /** Resolves to the bytes of the answer, and their digest. */
  const invoke = async (operation: string, fileName: string, size = 0) => {
    const start = { name: "files", operation, metadata: { fileName } };
    const digest = createHash("sha256");
    let bytes = 0;
    for await (const { chunks } of client.invokeBindingStream(parts(start, size))) {
      for (const { data, error } of chunks) {
        expect(error).toBeUndefined();
        digest.update(data);
        bytes += data.length;
      }
    }
    return { bytes, digest: digest.digest("hex") };
  };

  await invoke("create", "small", 4 * mebibyte);
  await invoke("get", "small");
  const memory = watchMemory(daemon.process.pid ?? 0);
  const before = await memory.most();
  await invoke("create", "large", 64 * mebibyte);
  const got = await invoke("get", "large");
  const most = await memory.most();
  await memory.end();
  expect(await digestOf(join(rootPath, "large"))).toBe(digestOfParts(64 * mebibyte));
  expect(got).toEqual({ bytes: 64 * mebibyte, digest: digestOfParts(64 * mebibyte) });
  expect(await readdir(rootPath)).toEqual(["large", "small"]);
  expect(most - before).toBeLessThan(16 * mebibyte);
}, 60_000);

/** The n-th part of a payload, unlike every other. */
function part(n: number): Uint8Array {
  const bytes = Buffer.alloc(partSize, n % 251);
  bytes.writeUInt32BE(n);
  return bytes;
}

async function* parts(start: Chunk["start"], size: number): AsyncGenerator<{ chunks: Chunk[] }> {
  yield { chunks: [{ invocation: 1, ...(start && { start }) }] };
  for (let n = 0; n < size / partSize; n++) {
    yield { chunks: [{ invocation: 1, data: part(n) }] };
  }
  yield { chunks: [{ invocation: 1, last: true }] };
}

function digestOfParts(size: number): string {
  const digest = createHash("sha256");
  for (let n = 0; n < size / partSize; n++) digest.update(part(n));
  return digest.digest("hex");
}

async function digestOf(path: string): Promise<string> {
  const digest = createHash("sha256");
  for await (const bytes of createReadStream(path)) digest.update(bytes as Buffer);
  return digest.digest("hex");
}

/** Looks at the resident memory of a process again and again. */
function watchMemory(pid: number) {
  const ended = new AbortController();
  let most = 0;
  const look = async (): Promise<number> => {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    most = Math.max(most, resident);
    return most;
  };
  const watching = (async () => {
    while (!ended.signal.aborted) {
      await look();
      await pause(5);
    }
  })();
  return {
    /** The most there was so far, in bytes. */
    most: look,
    async end(): Promise<void> {
      ended.abort();
      await watching;
    },
  };
}

import { BindingError } from "../../../errors.ts";
import { escaped, objectPath, checkKey } from "../object-paths.ts";
import type { StorageClient } from "../storage-client.ts";

export type Upload = {
  readonly bucket: string;
  readonly key: string;
  /** Empty: by the data. */
  readonly contentType: string;
};

/** A part of a resumable upload: a multiple of 256 KiB. */
const partBytes = 2 * 1024 * 1024;
/** The one that is sent, the one behind it and the one that is filled. */
const heldParts = 3;
const incomplete = 308;

/** Stores what is there, in one request. */
export async function store(
  client: StorageClient,
  { bucket, key, contentType }: Upload,
  data: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const path = `/upload${objectPath(bucket)}?uploadType=media&name=${escaped(checkKey(key))}`;
  const headers = { "content-type": contentType || sniffed(data) };
  await client.send({ method: "POST", path, headers, body: data }, signal);
}

/** Stores what comes, part by part. Where that fails nothing is left behind: the upload is cancelled. */
export async function storeParts(
  client: StorageClient,
  upload: Upload,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const parts = inParts(body);
  const first = (await parts.next()).value ?? Buffer.alloc(0);
  const second = await parts.next();
  if (second.done === true) return store(client, upload, first, signal);
  const session = await begin(client, upload, first, signal);
  try {
    let at = await send(client, session, first, 0, undefined, signal);
    let current = second.value;
    for (;;) {
      const next = await parts.next();
      const total = next.done === true ? at + current.length : undefined;
      at = await send(client, session, current, at, total, signal);
      if (next.done === true) return;
      current = next.value;
    }
  } catch (error) {
    await cancel(client, session);
    throw error;
  }
}

async function begin(
  client: StorageClient,
  { bucket, key, contentType }: Upload,
  first: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  const path = `/upload${objectPath(bucket)}?uploadType=resumable&name=${escaped(checkKey(key))}`;
  const headers = {
    "content-type": "application/json",
    "x-upload-content-type": contentType || sniffed(first),
  };
  const body = Buffer.from("{}");
  const { headers: answered } = await client.send({ method: "POST", path, headers, body }, signal);
  const { location } = answered;
  if (typeof location === "string" && location !== "") return location;
  throw new BindingError("internal", "the server has begun no upload", { effect: "ambiguous" });
}

/** Sends a part until the server has all of it, and resolves to where the next one begins. */
async function send(
  client: StorageClient,
  session: string,
  part: Uint8Array,
  from: number,
  total: number | undefined,
  signal: AbortSignal,
): Promise<number> {
  const end = from + part.length;
  for (let at = from; ;) {
    const headers = { "content-range": `bytes ${at}-${end - 1}/${total ?? "*"}` };
    const body = part.subarray(at - from);
    const request = { method: "PUT", path: session, headers, body, also: [incomplete] } as const;
    const answered = await client.send(request, signal);
    if (answered.status !== incomplete) return end;
    const range = /^bytes=0-(\d+)$/.exec(answered.headers["range"] ?? "");
    const kept = range === null ? 0 : Number(range[1]) + 1;
    if (kept === end && total === undefined) return end;
    if (kept <= at || kept >= end) {
      const text = `the upload has come to byte ${kept} instead of ${end}`;
      throw new BindingError("internal", text, { effect: "ambiguous" });
    }
    at = kept;
  }
}

/** An upload that is not cancelled is kept for a week. */
async function cancel(client: StorageClient, session: string): Promise<void> {
  const request = { method: "DELETE", path: session, also: [499] } as const;
  await client.send(request, AbortSignal.timeout(5_000)).catch(() => {});
}

async function* inParts(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  // Used again and again: what has been sent is needed no more.
  const parts: Buffer[] = [];
  let count = 0;
  const next = (): Buffer => (parts[count++ % heldParts] ??= Buffer.allocUnsafeSlow(partBytes));
  let part = next();
  let length = 0;
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length;) {
      const taken = chunk.subarray(at, at + partBytes - length);
      part.set(taken, length);
      length += taken.length;
      at += taken.length;
      if (length < partBytes) continue;
      yield part;
      part = next();
      length = 0;
    }
  }
  if (length > 0) yield part.subarray(0, length);
  return undefined;
}

/** What Google's library for Go sets, as far as text and bytes are told apart. */
function sniffed(data: Uint8Array): string {
  const start = data.subarray(0, 512);
  const isBinary = start.some(
    (byte) =>
      byte <= 0x08 ||
      byte === 0x0b ||
      (byte >= 0x0e && byte <= 0x1a) ||
      (byte >= 0x1c && byte <= 0x1f),
  );
  return isBinary ? "application/octet-stream" : "text/plain; charset=utf-8";
}

import { expect } from "vitest";
import { uniqueName } from "../../../servers/unique-name.ts";

/** A bucket of its own. */
export async function makeBucket(
  { url }: { readonly url: string },
  name = uniqueName("orders")
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-"),
): Promise<string> {
  const body = JSON.stringify({ name });
  const answer = await fetch(`${url}/storage/v1/b?project=p`, { method: "POST", body });
  expect(answer.status).toBe(200);
  return name;
}

/** Stores an object, as another program does. */
export async function putObject(
  url: string,
  bucket: string,
  name: string,
  body: Uint8Array | string,
): Promise<void> {
  const path = `/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`;
  const headers = { "content-type": "text/plain" };
  const answer = await fetch(url + path, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
}

/** Deletes the bucket, or an object of it. */
export async function remove(url: string, bucket: string, name?: string): Promise<void> {
  const path = name === undefined ? "" : `/o/${encodeURIComponent(name)}`;
  const answer = await fetch(`${url}/storage/v1/b/${bucket}${path}`, { method: "DELETE" });
  if (!answer.ok) throw new Error(`${name ?? bucket}: ${answer.status}`);
}

type Stored = { readonly name: string; readonly contentType?: string; readonly metadata?: object };

/** What it holds, as another program sees it. */
export async function objectsIn(url: string, bucket: string): Promise<readonly Stored[]> {
  const answer = await fetch(`${url}/storage/v1/b/${bucket}/o`);
  return ((await answer.json()) as { items?: Stored[] }).items ?? [];
}

export async function readObject(url: string, bucket: string, name: string): Promise<Buffer> {
  const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`;
  return Buffer.from(await (await fetch(url + path)).arrayBuffer());
}

export async function emptyBucket(url: string, bucket: string): Promise<void> {
  for (const { name } of await objectsIn(url, bucket))
    await fetch(`${url}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`, {
      method: "DELETE",
    });
}

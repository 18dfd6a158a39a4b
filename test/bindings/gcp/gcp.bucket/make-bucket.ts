import { expect } from "vitest";
import { uniqueName } from "../../../servers/unique-name.ts";

/** A bucket of its own. */
export async function makeBucket({ url }: { readonly url: string }): Promise<string> {
  const name = uniqueName("orders")
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-");
  const body = JSON.stringify({ name });
  const answer = await fetch(`${url}/storage/v1/b?project=p`, { method: "POST", body });
  expect(answer.status).toBe(200);
  return name;
}

type Stored = { readonly name: string; readonly contentType?: string };

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

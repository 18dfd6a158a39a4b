import { BindingError } from "../../../errors.ts";
import type { ObjectReference } from "../../../object-source/object.ts";

/** What Cloud Storage says of an object. */
export type Resource = {
  readonly name: string;
  readonly generation: string;
  readonly metageneration?: string;
  readonly size?: string;
  readonly etag?: string;
  readonly updated?: string;
  readonly timeCreated?: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
};

export function referenceOf(
  bucket: string,
  resource: Resource,
): ObjectReference & { size: number } {
  const { name: key, generation: version, etag, contentType, updated, timeCreated } = resource;
  const size = Number(resource.size ?? 0);
  const time = updated ?? timeCreated ?? "";
  return { bucket, key, version, etag, size, time, contentType };
}

/** An answer of the JSON API. Throws a `BindingError` for what is none. */
export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8")) as unknown;
  } catch {
    throw new BindingError("internal", "Cloud Storage answered what is no JSON");
  }
}

/** What a request resolves to; `undefined`: the object is gone, or another one is in its place. */
export async function unlessGone<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof BindingError ? error.systemCode : undefined;
    if (code === "404" || code === "412") return undefined;
    throw error;
  }
}

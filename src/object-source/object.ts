import type { InboundEvent, Settlement } from "../reading.ts";
import type { Sighting } from "../folder-watch/sighting.ts";

/** What is known of an object of a store. */
export type ObjectReference = {
  /** The bucket or container. */
  readonly bucket: string;
  readonly key: string;
  /** The version or generation, where the store keeps several. */
  readonly version?: string | undefined;
  readonly etag?: string | undefined;
  /** Bytes, where it is known. */
  readonly size?: number | undefined;
  /** When it was stored, in ISO 8601. */
  readonly time?: string | undefined;
  readonly contentType?: string | undefined;
};

/** An object as a listing shows it: `path` is its key. */
export type ListedObject = Sighting & { readonly reference: ObjectReference };

/** The metadata of an object's event, by name. */
export const objectEventMetadata = {
  bucket: "The bucket or container.",
  key: "The object's key.",
  version: "Its version or generation, where the store keeps several.",
  etag: "Its ETag.",
  size: "Its size in bytes.",
  time: "When it was stored.",
  contentType: "Its media type.",
  inline: "`true`: the data are its bytes; `false`: they are its reference.",
} as const;

/** The event of an object, with what settles it. */
export function objectEvent(
  reference: ObjectReference,
  content: Uint8Array | undefined,
  settle: (settlement: Settlement) => void,
): InboundEvent {
  return { ...toldOf(reference, content), settle };
}

/**
 * What an event tells of an object: its bytes, or without them (it is larger than `inlineLimit`) its reference as JSON. The
 * metadata say which, and hold the reference either way.
 */
export function toldOf(
  reference: ObjectReference,
  content: Uint8Array | undefined,
): Pick<InboundEvent, "data" | "metadata" | "headers" | "id"> {
  const facts = Object.entries(reference).filter(([, value]) => value !== undefined);
  const { bucket, key, version, etag, time = "" } = reference;
  return {
    data: content ?? Buffer.from(JSON.stringify(Object.fromEntries(facts))),
    metadata: {
      ...Object.fromEntries(facts.map(([name, value]) => [name, String(value)])),
      inline: String(content !== undefined),
    },
    headers: [],
    id: `${bucket}/${key}:${version ?? etag ?? time}`,
  };
}

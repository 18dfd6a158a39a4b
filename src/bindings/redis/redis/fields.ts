import { string } from "../../../metadata/fields.ts";

const key = string({ description: "The key. Required.", example: "order-42" });

/** What each operation reads of a request's metadata. */
export const keyFields = { key } as const;

export const getFields = {
  key,
  delete: string({ description: "`true`: delete the key on reading.", example: "true" }),
} as const;

export const expiringFields = {
  key,
  ttl: string({
    description:
      "The time to live of the key, as a duration or in seconds; 0 deletes it at once. Default: no expiry.",
    example: "1h30m",
  }),
  ttlInSeconds: string({ description: "The same as ttl, which takes precedence.", example: "60" }),
} as const;

import { byPrefix, string } from "../../metadata/fields.ts";

/** Which metadata there are, the component alone knows: all are its own. */
export const pluggableFields = {
  properties: byPrefix(
    "",
    string({
      description: "Whatever the component declares. All metadata are handed to it as they are.",
      sensitive: true,
    }),
  ),
} as const;

import { BindingError } from "../../../errors.ts";
import type { StreamMetadata } from "./fields.ts";

/** What XADD is told of trimming. Throws where the metadata asks for two ways. */
export function trimming(
  { maxLength, maxAge, approximate }: StreamMetadata,
  minId: string | undefined,
): (string | number)[] {
  if (maxLength !== undefined && maxAge !== undefined) {
    throw new BindingError("invalid_argument", "maxLength and maxAge exclude each other; keep one");
  }
  const how = approximate ? "~" : "=";
  if (minId) {
    if (!/^\d{1,20}(-\d{1,20})?$/.test(minId))
      throw new BindingError(
        "invalid_argument",
        "minId is no id of an entry, such as 1526919030474-0",
      );
    return ["MINID", how, minId];
  }
  if (maxLength !== undefined) return ["MAXLEN", how, maxLength];
  if (maxAge !== undefined) return ["MINID", how, Math.max(0, Date.now() - Math.round(maxAge))];
  return [];
}

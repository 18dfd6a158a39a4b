import { BindingError } from "../errors.ts";

/** What is done with an object of a listing once it is handled, so that it is no event again. */
export type OnHandled =
  | { readonly action: "delete" }
  | { readonly action: "tag" }
  | { readonly action: "move"; readonly prefix: string };

/** The name of the tag, or of the metadata, that a handled object gets; its value is `true`. */
export const handledTag = "cufflink-handled";

/**
 * Reads `delete`, `tag` or `move:PREFIX`. `listed`: the prefix of the listing. Throws a `BindingError` for anything else, and where moved
 * objects would be found again under the name that they have already.
 */
export function readOnHandled(text: string | undefined, listed: string): OnHandled {
  if (text === "delete" || text === "tag") return { action: text };
  const prefix = /^move:(.+)$/s.exec(text ?? "")?.[1];
  if (prefix === undefined) {
    const found = text ? `, not ${JSON.stringify(text)}` : "";
    throw refused(
      `onHandled must be delete, tag or move:PREFIX${found}: a listing finds each object again until it is put away`,
    );
  }
  if (prefix === listed)
    throw refused("onHandled moves objects to the prefix that is listed; name another prefix");
  return { action: "move", prefix };
}

/** Where a handled object is moved: the prefix takes the place of the listed one. */
export function movedKey(prefix: string, listed: string, key: string): string {
  return prefix + (key.startsWith(listed) ? key.slice(listed.length) : key);
}

/** Whether an object was moved there, and is none to be handled. */
export function isMoved(onHandled: OnHandled, key: string): boolean {
  return onHandled.action === "move" && key.startsWith(onHandled.prefix);
}

function refused(message: string): BindingError {
  return new BindingError("invalid_argument", message, { effect: "unsent" });
}

import { BindingError } from "../errors.ts";

/** JetStream's codes where the servers, or the account, have no room for a stream, or for what is written into one. */
const noRoom: ReadonlySet<string> = new Set(["10002", "10023", "10028", "10047", "10122"]);
const needsLimit = "10113";

/** What to do where JetStream is full. */
export const moreRoom =
  "give JetStream more room (max_file_store of the servers, or the limits of the account)";

/**
 * What to do where a stream is refused for the room that it asks for. `maxBytes`: the limit of the stream, by the setting
 * of that name; `undefined`: it has none. Other errors are returned as they are.
 */
export function explainRoom(
  error: unknown,
  limit: { readonly maxBytes: number; readonly setting: string } | undefined,
): unknown {
  if (!(error instanceof BindingError)) return error;
  const { reason, effect, systemCode, message } = error;
  const text = remedyOf(systemCode ?? "", limit);
  if (text === undefined) return error;
  return new BindingError(reason, `${message}; ${text}`, { effect, systemCode, cause: error });
}

function remedyOf(
  code: string,
  limit: { readonly maxBytes: number; readonly setting: string } | undefined,
): string | undefined {
  if (code === needsLimit && limit === undefined)
    return "make the stream beforehand, with max_bytes, or let the account have streams without";
  if (!noRoom.has(code)) return undefined;
  if (limit === undefined) return moreRoom;
  const { maxBytes, setting } = limit;
  return `it asks for ${maxBytes} bytes on each server that has a copy: make ${setting} smaller, or ${moreRoom}`;
}

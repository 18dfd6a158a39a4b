import type { ImapFlow, SearchObject } from "imapflow";
import { BindingError } from "../../errors.ts";
import { failureOf } from "./failures.ts";

/** How many messages of a mailbox match; it is opened to be looked at alone. Throws a `BindingError`. */
export async function countMessages(
  client: ImapFlow,
  mailbox: string,
  search: SearchObject,
): Promise<number> {
  try {
    const lock = await client.getMailboxLock(mailbox, { readOnly: true });
    try {
      const found = await client.search(search, { uid: true });
      if (Array.isArray(found)) return found.length;
    } finally {
      lock.release();
    }
  } catch (error) {
    throw failureOf(error, `looking at the mailbox ${mailbox}`);
  }
  const text = "imap: the server refuses to search the mailbox";
  throw new BindingError("failed_precondition", text);
}

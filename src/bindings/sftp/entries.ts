import type { Attributes, Entry } from "./driver.ts";
import { hasStatus } from "./failures.ts";
import { isFileName } from "./locate.ts";
import type { Requests } from "./session.ts";

const endOfFolder = 1;

const [typeBits, folderBits, fileBits] = [0o170_000, 0o040_000, 0o100_000];

export type Kind = "file" | "folder" | "other";

/** What an entry is; `undefined`: the server does not say. */
export function kindOf({ mode }: Attributes): Kind | undefined {
  const type = (mode ?? 0) & typeBits;
  if (type === 0) return undefined;
  return type === fileBits ? "file" : type === folderBits ? "folder" : "other";
}

/**
 * The entries of a folder, some at a time, `.` and `..` left out. A name that is none (`a/b`, `../x`, one with a NUL or
 * that is not UTF-8) is left out, and told of.
 */
export async function* entriesOf(
  requests: Requests,
  path: string,
  onBadName: (name: string) => void,
): AsyncGenerator<readonly Entry[]> {
  const handle = await requests.openFolder(path);
  try {
    for (;;) {
      const entries = await nextOf(requests, handle);
      if (entries === undefined) return;
      yield entries.filter(({ filename }) => {
        if (filename === "." || filename === "..") return false;
        const isName = isFileName(filename);
        if (!isName) onBadName(filename);
        return isName;
      });
    }
  } finally {
    requests.afterwards.close(handle).catch(() => undefined);
  }
}

async function nextOf(requests: Requests, handle: Buffer): Promise<Entry[] | undefined> {
  try {
    return await requests.readFolder(handle);
  } catch (error) {
    if (hasStatus(error, endOfFolder)) return undefined;
    throw error;
  }
}

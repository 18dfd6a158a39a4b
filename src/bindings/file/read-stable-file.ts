import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Sighting } from "../../folder-watch/sighting.ts";
import { isGone, sighting, type Folder } from "./folder.ts";

/** Reads a whole file; `undefined` when it is not, or is no more, as it was seen. */
export async function readStableFile(
  folder: Folder,
  seen: Sighting,
): Promise<Uint8Array | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    // Neither a link nor a pipe that has taken the file's place since is followed or waited for.
    await using file = await open(join(folder.root, seen.path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const unchanged = async (): Promise<boolean> => {
      const stats = await file.stat({ bigint: true });
      return stats.isFile() && sighting(seen.path, stats).version === seen.version;
    };
    if (!(await unchanged())) return undefined;
    const data = new Uint8Array(seen.size);
    let length = 0;
    while (length < data.length) {
      const { bytesRead } = await file.read(data, length, data.length - length);
      if (bytesRead === 0) return undefined;
      length += bytesRead;
    }
    return (await unchanged()) ? data : undefined;
  } catch (error) {
    if (isGone(error) || isLink(error)) return undefined;
    throw error;
  }
}

function isLink(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ELOOP";
}

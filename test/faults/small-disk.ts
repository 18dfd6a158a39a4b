import { execFile } from "node:child_process";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const size = 16 * 1024 * 1024;

/** A disk of 16 MiB that can be filled to its last byte. */
export type SmallDisk = AsyncDisposable & { fill(): Promise<void>; free(): Promise<void> };

/** Mounts one at a folder; `undefined` where this process may not. */
export async function mountSmallDisk(folder: string): Promise<SmallDisk | undefined> {
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  } catch {
    return undefined;
  }
  const filler = join(folder, "filler");
  return {
    async fill() {
      await using file = await open(filler, "w");
      // In pieces of a page, so that none is left.
      const page = Buffer.alloc(4096, 1);
      try {
        for (let written = 0; written <= size; written += page.length) await file.write(page);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      }
    },
    free: () => rm(filler),
    async [Symbol.asyncDispose]() {
      // What still has a file there open keeps it no longer than that.
      await run("umount", ["--lazy", folder]);
    },
  };
}

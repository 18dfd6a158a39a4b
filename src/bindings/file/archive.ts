import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, mkdir, open, rename, unlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { numberedName } from "../../folder-watch/numbered-name.ts";
import type { Sighting } from "../../folder-watch/sighting.ts";
import { isGone, type Folder } from "./folder.ts";

/**
 * Deletes a handled file, or moves it to where those go; a name that is taken there gets a number.
 * Leaves alone a file that has been written to since it was read. Answers whether it did anything.
 */
export async function archive(folder: Folder, handled: Sighting): Promise<boolean> {
  const current = await folder.look(handled.path);
  if (current?.version !== handled.version) return false;
  const source = join(folder.root, handled.path);
  if (folder.processed === undefined) await unlink(source);
  else await moveTo(source, join(folder.processed, handled.path));
  return true;
}

/** Moves a file, over no other and across devices too. Answers the path that it got. */
export async function moveTo(source: string, wanted: string, renameFile = rename): Promise<string> {
  await mkdir(dirname(wanted), { recursive: true });
  const target = await reserve(wanted);
  try {
    await renameFile(source, target);
  } catch (error) {
    try {
      if (!isOtherDevice(error)) throw error;
      await copyOver(source, target);
    } catch (error) {
      await unlink(target);
      throw error;
    }
    await unlink(source).catch((error: unknown) => {
      if (!isGone(error)) throw error;
    });
  }
  return target;
}

/** Makes an empty file of that name, or of the first free one like it, so that nobody else gets the name. */
async function reserve(wanted: string): Promise<string> {
  for (let number = 0; ; number++) {
    const target = numberedName(wanted, number);
    try {
      await (await open(target, "wx")).close();
      return target;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}

/** Copies beside the target first: half a file never has the whole one's name. */
async function copyOver(source: string, target: string): Promise<void> {
  const part = join(dirname(target), `.${randomUUID()}.part`);
  try {
    await copyFile(source, part, constants.COPYFILE_EXCL);
    const copy = await open(part, "r+");
    try {
      const original = await open(source, "r");
      try {
        const { atime, mtime } = await original.stat();
        await utimes(part, atime, mtime);
      } finally {
        await original.close();
      }
      await copy.sync();
    } finally {
      await copy.close();
    }
    await rename(part, target);
  } catch (error) {
    await unlink(part).catch(() => undefined);
    throw error;
  }
}

function isOtherDevice(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EXDEV";
}

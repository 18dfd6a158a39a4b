import { accessSync, constants, existsSync } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { answered } from "../../regular-file.ts";

/** With less room than this a new store cannot even be made. */
const leastRoom = 1024 * 1024;

/**
 * Whether records could be kept in a folder, without making anything there: rejects with the system's error when
 * the folder, or the nearest one above it that is there, cannot be written or has no room left.
 */
export function checkFolder(folder: string): Promise<void> {
  return answered(folder, () => check(folder));
}

async function check(folder: string): Promise<void> {
  let nearest = folder;
  const isThere = (path: string): Promise<boolean> =>
    stat(path).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
        throw error;
      },
    );
  while (!(await isThere(nearest))) nearest = dirname(nearest);
  await access(nearest, constants.W_OK | constants.X_OK);
  const { bavail, blocks, bsize } = await statfs(nearest);
  // Some file systems do not say how large they are.
  if (blocks === 0 || bavail * bsize >= leastRoom) return;
  throw Object.assign(new Error(`${bavail * bsize} bytes are free at ${nearest}`), {
    code: "ENOSPC",
  });
}

/** Throws why nothing can be made in a folder. Node's own error calls a read-only disk a folder that is missing. */
export function refuseUnwritable(folder: string): void {
  let nearest = folder;
  while (!existsSync(nearest) && nearest !== dirname(nearest)) nearest = dirname(nearest);
  accessSync(nearest, constants.W_OK | constants.X_OK);
}

import { randomUUID } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  unlink,
  writeFile,
} from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BindingError } from "../errors.ts";
import { assuredBytes, type MemoryShare } from "../memory/budget.ts";
import { systemCode, systemFailure } from "./failures.ts";

/** A file's content, whole or as it comes. */
export type Content = Uint8Array | AsyncIterable<Uint8Array>;

/** How much of a file is read at one time, in bytes. */
const partSize = 64 * 1024;

const temporaryName = /^\.cufflink-[0-9a-f-]{36}\.tmp$/;

/** Where renaming into place is not allowed, but writing in place may be. */
const inPlace = new Set(["EACCES", "EPERM", "EBUSY"]);

/**
 * Writes a file with the folders above it. A reader sees the old content or the new, never a part of
 * it; a failure, also of the content that comes, leaves the old.
 */
export async function createFile(path: string, data: Content): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    // Go's word for what is there and no folder.
    const isFile = systemCode(error) === "EEXIST";
    const thrown = isFile
      ? Object.assign(new Error("not a directory"), { code: "ENOTDIR" })
      : error;
    throw systemFailure(`error creating directory ${folder}`, `mkdir ${folder}`, thrown);
  });
  const before = await lstat(path).catch(() => undefined);
  if (before?.isDirectory()) {
    const text = `error creating file ${path}: open ${path}: is a directory`;
    throw new BindingError("failed_precondition", text, { systemCode: "EISDIR" });
  }
  const temporary = join(folder, `.cufflink-${randomUUID()}.tmp`);
  let written = false;
  try {
    await writeFile(temporary, data, { flag: "wx" });
    written = true;
    if (before !== undefined) await chmod(temporary, before.mode & 0o7777);
    await rename(temporary, path);
  } catch (error) {
    try {
      if (!before?.isFile() || !inPlace.has(systemCode(error) ?? ""))
        throw systemFailure(`error creating file ${path}`, `open ${path}`, error);
      await overwrite(path, written ? createReadStream(temporary) : data);
    } finally {
      await rm(temporary, { force: true }).catch(() => {});
    }
  }
}

/** Reads a regular file whole, as large as it was when it was opened, if the memory has room for it. */
export async function readWhole(path: string, memory: MemoryShare): Promise<Buffer> {
  const room = memory.open(assuredBytes);
  try {
    await using file = await openRegular(path);
    const { size } = await file.stat();
    if (!room.reserve(size)) {
      throw new BindingError(
        "resource_exhausted",
        `error reading file ${path}: the memory budget has no room for its ${size} bytes; take it in parts by InvokeBindingStream, or raise --memory-budget`,
      );
    }
    const data = Buffer.allocUnsafeSlow(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await file.read(data, length, size - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return data.subarray(0, length);
  } catch (error) {
    throw readingFailure(path, error);
  } finally {
    room.release();
  }
}

/** Reads a regular file part by part, as fast as it is asked. */
export async function* readParts(path: string): AsyncGenerator<Uint8Array> {
  try {
    await using file = await openRegular(path);
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(partSize));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw readingFailure(path, error);
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  // The path was resolved: a link that took its place since then is not followed, a pipe not waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags);
  const found = await file.stat();
  if (found.isFile()) return file;
  await file.close();
  const why = found.isDirectory() ? `read ${path}: is a directory` : "it is no regular file";
  throw new BindingError("failed_precondition", `error reading file ${path}: ${why}`);
}

function readingFailure(path: string, thrown: unknown): BindingError {
  if (systemCode(thrown) === "ENOENT") {
    return new BindingError("not_found", `file not found: ${path}`, { systemCode: "ENOENT" });
  }
  return systemFailure(`error opening path ${path}`, `open ${path}`, thrown);
}

/** Removes a file, or an empty folder. */
export async function remove(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isDirectory()) await rmdir(path);
    else await unlink(path);
  } catch (error) {
    throw systemFailure(`error deleting file ${path}`, `remove ${path}`, error);
  }
}

/** The files below a folder, in lexical order, folders left out and links not followed. */
export async function listFiles(path: string, memory: MemoryShare): Promise<string[]> {
  const found = await lstat(path).catch((error: unknown) => {
    throw systemFailure(`error getting stats for path ${path}`, `stat ${path}`, error);
  });
  if (!found.isDirectory()) {
    throw new BindingError(
      "failed_precondition",
      `unable to list files as the file specified is not a directory: ${path}`,
    );
  }
  const files: string[] = [];
  const room = memory.open(assuredBytes);
  try {
    await walk(path, files, (file) => {
      // As text, and once more as JSON.
      if (room.reserve(2 * file.length + pathOverhead)) return;
      throw new BindingError(
        "resource_exhausted",
        `error listing files in the directory ${path}: the memory budget has no room for all paths; list a folder in it, or raise --memory-budget`,
      );
    });
    return files;
  } finally {
    room.release();
  }
}

/** What a path takes beside its letters, in bytes. */
const pathOverhead = 32;

async function walk(folder: string, files: string[], count: (file: string) => void): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    // Deleted meanwhile.
    if (systemCode(error) === "ENOENT") return [];
    throw systemFailure(`error listing files in the directory ${folder}`, `open ${folder}`, error);
  });
  entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await walk(path, files, count);
    else if (!temporaryName.test(basename(path))) {
      count(path);
      files.push(path);
    }
  }
}

async function overwrite(path: string, data: Content): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW;
  await writeFile(path, data, { flag: flags }).catch((error: unknown) => {
    throw systemFailure(`error writing to file ${path}`, `write ${path}`, error);
  });
}

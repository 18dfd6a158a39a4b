import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { BindingError } from "../../errors.ts";
import { assuredBytes, type MemoryShare } from "../../memory/budget.ts";
import type { Attributes, Entry } from "./driver.ts";
import { entriesOf, kindOf } from "./entries.ts";
import {
  asBegun,
  failureOf,
  isDenied,
  isFailure,
  isMissing,
  isRefusal,
  RequestFailure,
} from "./failures.ts";
import { soon, type Handle, type Requests } from "./session.ts";
import { readParts, writeParts, type Content } from "./transfer.ts";

/** A file or folder of a call. */
export type Target = {
  /** Its real path on the server. */
  readonly path: string;
  /** As the component and the call say it. */
  readonly shown: string;
};

const temporaryName = /^\.cufflink-[0-9a-f-]{36}\.tmp$/;

/**
 * Writes a file with the folders above it, under a temporary name that it loses when it is complete: a reader sees the
 * old content or the new. Where the server does not allow that, or `inPlace`, it is written under its own name at once.
 */
export async function createFile(
  requests: Requests,
  { path, shown }: Target,
  content: Content,
  inPlace: boolean,
): Promise<void> {
  const what = `error create file ${shown}`;
  const before = await existing(requests, path, what);
  if (before !== undefined && kindOf(before) === "folder") {
    throw new BindingError("failed_precondition", `sftp binding error: ${what}: is a directory`);
  }
  if (inPlace) return overwrite(requests, path, content, what);
  const temporary = posix.join(posix.dirname(path), `.cufflink-${randomUUID()}.tmp`);
  let handle: Handle;
  try {
    handle = await openToWrite(requests, temporary, "wx");
  } catch (error) {
    // Files may be made by their own names alone.
    if (isDenied(error)) return overwrite(requests, path, content, what);
    throw failureOf(what, error);
  }
  let isRenamed = false;
  try {
    await write(requests, handle, content, before?.mode);
    isRenamed = await replace(requests, temporary, path, before !== undefined);
    if (!isRenamed) await copyOver(requests, temporary, path, what);
  } catch (error) {
    throw failureOf(what, asBegun(error));
  } finally {
    if (!isRenamed) await soon(requests.afterwards.removeFile(temporary));
  }
}

/** Reads a file whole, as large as it was when it was opened, if the memory has room for it. */
export async function readWhole(
  requests: Requests,
  { path, shown }: Target,
  memory: MemoryShare,
): Promise<Uint8Array> {
  const room = memory.open(assuredBytes);
  try {
    await using file = await openFile(requests, path);
    if (!room.reserve(file.size)) {
      throw new BindingError(
        "resource_exhausted",
        `sftp binding error: error reading file ${shown}: the memory budget has no room for its ${file.size} bytes; take it in parts by InvokeBindingStream, or raise --memory-budget`,
      );
    }
    const data = Buffer.allocUnsafeSlow(file.size);
    let length = 0;
    for await (const part of readParts(requests, file.handle, file.size)) {
      data.set(part, length);
      length += part.length;
    }
    return data.subarray(0, length);
  } catch (error) {
    throw failureOf(`error reading file ${shown}`, error);
  } finally {
    room.release();
  }
}

/** Reads a file part by part, as fast as it is asked. */
export async function* readAsItIsTaken(
  requests: Requests,
  { path, shown }: Target,
): AsyncGenerator<Uint8Array> {
  try {
    await using file = await openFile(requests, path);
    yield* readParts(requests, file.handle, file.size);
  } catch (error) {
    throw failureOf(`error reading file ${shown}`, error);
  }
}

/** Removes a file, a link, or an empty folder. */
export async function remove(requests: Requests, { path, shown }: Target): Promise<void> {
  const what = `error remove file ${shown}`;
  try {
    await removeIt(requests, path);
  } catch (error) {
    throw failureOf(what, error);
  }
}

async function removeIt(requests: Requests, path: string): Promise<void> {
  try {
    await requests.removeFile(path);
  } catch (error) {
    if (!isRefusal(error) || isMissing(error)) throw error;
    // What a folder is answered with differs from server to server.
    const found = await lookAt(requests, path);
    if (found === undefined || kindOf(found) !== "folder") throw error;
    await requests.removeFolder(path);
  }
}

export type Listed = { readonly fileName: string; readonly isDirectory: boolean };

/** What a folder has in it, in the order of the names; unfinished files of `create` are left out. */
export async function list(
  requests: Requests,
  { path, shown }: Target,
  { memory, onBadName }: { memory: MemoryShare; onBadName: (name: string) => void },
): Promise<Listed[]> {
  const found: Listed[] = [];
  const room = memory.open(assuredBytes);
  try {
    for await (const entries of entriesOf(requests, path, onBadName)) {
      for (const entry of entries) {
        if (temporaryName.test(entry.filename)) continue;
        // As text, and once more as JSON.
        if (!room.reserve(2 * entry.filename.length + entryOverhead)) {
          throw new BindingError(
            "resource_exhausted",
            `sftp binding error: error read dir ${shown}: the memory budget has no room for all names; raise --memory-budget`,
          );
        }
        found.push({ fileName: entry.filename, isDirectory: isFolder(entry) });
      }
    }
    return found.sort((a, b) => (a.fileName < b.fileName ? -1 : 1));
  } catch (error) {
    throw failureOf(`error read dir ${shown}`, error);
  } finally {
    room.release();
  }
}

/** What an entry takes beside its letters, in bytes. */
const entryOverhead = 96;

function isFolder({ attrs, longname }: Entry): boolean {
  const kind = kindOf(attrs);
  // Some servers say it in the line for people alone.
  return kind === undefined ? longname.startsWith("d") : kind === "folder";
}

type OpenFile = AsyncDisposable & { readonly handle: Handle; readonly size: number };

/** A file that is open for reading. */
export async function openFile(requests: Requests, path: string): Promise<OpenFile> {
  const handle = await requests.open(path, "r");
  const close = (): Promise<void> => soon(requests.afterwards.close(handle));
  try {
    const attributes = await requests.ofHandle(handle);
    const kind = kindOf(attributes);
    if (kind !== undefined && kind !== "file") {
      throw new RequestFailure(
        kind === "folder" ? "is a directory" : "it is no regular file",
        4,
        "rejected",
      );
    }
    return { handle, size: attributes.size ?? 0, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Makes the folders that are missing on the way. */
export async function makeFolders(requests: Requests, path: string): Promise<void> {
  try {
    await requests.makeFolder(path);
  } catch (error) {
    if (isMissing(error) && path !== posix.dirname(path)) {
      await makeFolders(requests, posix.dirname(path));
      await requests.makeFolder(path).catch((error: unknown) => refuseUnlessThere(error));
    } else await refuseUnlessThere(error);
  }

  /** Another may have made it at the same time. */
  async function refuseUnlessThere(error: unknown): Promise<void> {
    const found = isFailure(error) ? await lookAt(requests, path) : undefined;
    if (found === undefined || kindOf(found) !== "folder") throw error;
  }
}

/** Opens a file for writing, with the folders above it. */
async function openToWrite(requests: Requests, path: string, flags: "w" | "wx"): Promise<Handle> {
  try {
    return await requests.open(path, flags);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await makeFolders(requests, posix.dirname(path)).catch((why: unknown) => {
      // A file is on the way: for the server the path is not there.
      throw isFailure(why) ? error : why;
    });
    return requests.open(path, flags);
  }
}

/** Writes and closes. A mode that the server does not let this user set is left as it is. */
async function write(
  requests: Requests,
  handle: Handle,
  content: Content,
  mode: number | undefined,
): Promise<void> {
  let closing: Promise<void> | undefined;
  try {
    await writeParts(requests, handle, content);
    if (mode !== undefined) {
      await requests.setMode(handle, mode & 0o7777).catch((error: unknown) => {
        if (!isDenied(error) && !isFailure(error)) throw error;
      });
    }
    // A full disk may be told of only now.
    closing = requests.close(handle);
    await closing;
  } catch (error) {
    if (closing === undefined) await soon(requests.afterwards.close(handle));
    throw error;
  }
}

/** Gives the temporary file its name. False: the server does not let this user rename. */
async function replace(
  requests: Requests,
  from: string,
  to: string,
  existed: boolean,
): Promise<boolean> {
  try {
    await requests.replace(from, to);
    return true;
  } catch (error) {
    if (isDenied(error)) return existed ? false : renameOrNot(requests, from, to, isDenied);
    // The server has not got that request.
    if (!(error instanceof RequestFailure) || error.effect !== "unsent") throw error;
  }
  if (!existed) return renameOrNot(requests, from, to, isDenied);
  await requests.removeFile(to).catch(() => undefined);
  try {
    return await renameOrNot(requests, from, to, isRefusal);
  } catch (error) {
    // The old content is gone: the new one takes its place, though the caller has given up meanwhile.
    if (error instanceof RequestFailure && error.effect === "unsent")
      await soon(requests.afterwards.rename(from, to));
    throw error;
  }
}

/** False: the server refuses it. */
async function renameOrNot(
  requests: Requests,
  from: string,
  to: string,
  isRefused: (error: unknown) => boolean,
): Promise<boolean> {
  try {
    await requests.rename(from, to);
    return true;
  } catch (error) {
    if (isRefused(error)) return false;
    throw error;
  }
}

async function copyOver(requests: Requests, from: string, to: string, what: string): Promise<void> {
  await using source = await openFile(requests, from);
  await overwrite(requests, to, readParts(requests, source.handle, source.size), what);
}

async function overwrite(
  requests: Requests,
  path: string,
  content: Content,
  what: string,
): Promise<void> {
  let isBegun = false;
  try {
    const handle = await openToWrite(requests, path, "w");
    isBegun = true;
    await write(requests, handle, content, undefined);
  } catch (error) {
    throw failureOf(what, isBegun ? asBegun(error) : error);
  }
}

async function existing(
  requests: Requests,
  path: string,
  what: string,
): Promise<Attributes | undefined> {
  try {
    return await lookAt(requests, path);
  } catch (error) {
    // Who may only put files need not be allowed to look.
    if (isDenied(error)) return undefined;
    throw failureOf(what, error);
  }
}

async function lookAt(requests: Requests, path: string): Promise<Attributes | undefined> {
  try {
    return await requests.lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

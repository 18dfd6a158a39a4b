import { constants, type Stats } from "node:fs";
import { open, opendir, stat } from "node:fs/promises";

/** How long one look at a file or folder may take, in milliseconds. */
const longestLook = 5_000;

/** The most names that a folder may have to be read at all. */
const mostNames = 10_000;

/** Why a file or folder cannot be read, in words that follow its name: `is a named pipe, no regular file`. */
export class UnreadableFile extends Error {
  override readonly name = "UnreadableFile";
  /** The system's code, such as `ENOENT`, where it gave one. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }

  /** There is no such file: not even one that cannot be read. */
  get isGone(): boolean {
    return this.code === "ENOENT" || this.code === "ENOTDIR";
  }
}

export type ReadOptions = {
  /** The most bytes that it may have. */
  readonly largest: number;
  /**
   * What hangs together: while a look at one file of a place gets no answer, no other file of that place is looked
   * at. Default: the path itself.
   */
  readonly place?: string;
};

/**
 * Reads a whole file that is regular and not too large, within five seconds. A pipe, device or socket is never
 * opened, nor waited for. Rejects with an {@link UnreadableFile}.
 */
export function readRegularFile(
  path: string,
  { largest, place = path }: ReadOptions,
): Promise<Buffer> {
  return lookAt(place, async () => {
    // Opening a device may already do something, so it is looked at first, and again once it is open.
    refuseOthers(await stat(path));
    await using file = await open(
      path,
      constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0),
    );
    const { size } = refuseOthers(await file.stat());
    const tooLarge = (): UnreadableFile =>
      new UnreadableFile(`is larger than ${largest / 1024 ** 2} MiB`);
    if (size > largest) throw tooLarge();
    // Files of /proc say that they are empty, and others grow.
    const chunks: Buffer[] = [];
    let length = 0;
    for (;;) {
      const room = Math.min(Math.max(size - length, 0) + 4096, largest + 1 - length);
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(room), 0, room);
      if (bytesRead === 0) return Buffer.concat(chunks, length);
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
      if (length > largest) throw tooLarge();
    }
  });
}

/**
 * The names in a folder, at most `most` (10,000), in the order of their code units. Rejects with an
 * {@link UnreadableFile}.
 */
export function readNames(folder: string, place = folder, most = mostNames): Promise<string[]> {
  return lookAt(place, async () => {
    const names: string[] = [];
    for await (const { name } of await opendir(folder)) {
      if (names.length === most)
        throw new UnreadableFile(`has more than ${most.toLocaleString("en")} entries`);
      names.push(name);
    }
    return names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  });
}

/** What is at a path, links followed. Rejects with an {@link UnreadableFile}. */
export function statOf(path: string, place = path): Promise<Stats> {
  return lookAt(place, () => stat(path));
}

/** What cannot be read as a file, by its kind; `undefined`: it is a regular file. */
export function kindOfOther(found: Stats): string | undefined {
  if (found.isFile()) return undefined;
  if (found.isDirectory()) return "a folder";
  if (found.isFIFO()) return "a named pipe";
  if (found.isSocket()) return "a socket";
  return "a device";
}

function refuseOthers(found: Stats): Stats {
  const kind = kindOfOther(found);
  if (kind !== undefined) throw new UnreadableFile(`is ${kind}, no regular file`);
  return found;
}

/** The places of which a look has had no answer in time, and still has none. */
const hanging = new Set<string>();

/** The same as {@link answered}, but whatever it fails with is an {@link UnreadableFile}. */
export async function lookAt<Result>(place: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await answered(place, work);
  } catch (error) {
    throw error instanceof UnreadableFile ? error : unreadable(error);
  }
}

/**
 * What the work comes to, within five seconds. A call of a file system that hangs (a network share whose server is
 * gone) cannot be taken back and keeps one of Node's few threads for file calls, so until it returns there is no
 * second one of its place. Rejects with an {@link UnreadableFile} then, or with what the work fails with.
 */
export async function answered<Result>(
  place: string,
  work: () => Promise<Result>,
): Promise<Result> {
  if (hanging.has(place)) throw noAnswer();
  let hangs = false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      hangs = true;
      hanging.add(place);
      reject(noAnswer());
    }, longestLook);
  });
  const looking = work();
  const settled = (): void => {
    clearTimeout(timer);
    if (hangs) hanging.delete(place);
  };
  looking.then(settled, settled);
  return Promise.race([looking, late]);
}

function noAnswer(): UnreadableFile {
  const seconds = longestLook / 1000;
  return new UnreadableFile(`cannot be read: its file system does not answer within ${seconds} s`);
}

function unreadable(thrown: unknown): UnreadableFile {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file or folder",
    EACCES: "permission denied",
    EPERM: "permission denied",
    ELOOP: "its links lead in a circle",
  };
  const reason = (code && reasons[code]) ?? code ?? "it is no readable file";
  return new UnreadableFile(`cannot be read: ${reason}`, code);
}

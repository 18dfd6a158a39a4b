import { constants } from "node:fs";
import { access, mkdir, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { BindingError } from "../errors.ts";
import { answered, UnreadableFile } from "../regular-file.ts";
import { systemFailure } from "./failures.ts";

const disallowed = ["/proc", "/sys", "/boot", "/var/run/secrets"];

/**
 * Makes the folder ready that all files are in, and resolves to its real path. Refuses a file, and
 * folders of the system. `field`: the component's, for messages. `make`: make what is not there. Throws a `BindingError`.
 */
export async function prepareRoot(path: string, field = "rootPath", make = true): Promise<string> {
  const wanted = resolve(path);
  try {
    return await answered(wanted, () => prepare(wanted, field, make));
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    throw new BindingError("unavailable", `${field} ${wanted} ${error.message}`, {
      effect: "unsent",
    });
  }
}

async function prepare(wanted: string, field: string, make: boolean): Promise<string> {
  const existing = await longestExisting(wanted, field);
  const root = join(await realpath(existing), wanted.slice(existing.length));
  for (const folder of disallowed) {
    // /var/run is a link on most systems.
    const real = join(
      await realpath(await longestExisting(dirname(folder), field)),
      folder.slice(dirname(folder).length),
    );
    for (const one of [folder, real]) {
      if (root === one || root.startsWith(one + sep)) {
        throw refused(`property ${field} points to a disallowed location`);
      }
    }
  }
  if (!make) return root;
  await mkdir(root, { recursive: true }).catch((error: unknown) => {
    const what = `unable to create directory specified by '${field}' ${root}`;
    throw systemFailure(what, `mkdir ${root}`, error);
  });
  return root;
}

async function longestExisting(path: string, field: string): Promise<string> {
  for (let current = path; ; current = dirname(current)) {
    try {
      if ((await stat(current)).isDirectory()) return current;
      throw refused(`property ${field} represents a file and not a directory`);
    } catch (error) {
      if (error instanceof BindingError) throw error;
      const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!missing || current === dirname(current)) {
        throw systemFailure(
          `failed to parse metadata: error getting stat for path ${current}`,
          `stat ${current}`,
          error,
        );
      }
    }
  }
}

function refused(reason: string): BindingError {
  return new BindingError("invalid_argument", `failed to parse metadata: ${reason}`);
}

/** Throws a `BindingError` unless files can be made in the folder, or in the nearest one above that is there. */
export async function mayWrite(path: string): Promise<void> {
  const existing = await longestExisting(path, "rootPath");
  try {
    await access(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw systemFailure(`files cannot be made in ${existing}`, `access ${existing}`, error);
  }
}

import { posix } from "node:path";
import { BindingError } from "../../errors.ts";
import { isDenied, isMissing } from "./failures.ts";
import type { SftpMetadata } from "./fields.ts";
import type { Requests } from "./session.ts";

/** Bytes; what Linux takes as a path at most. */
const longestPath = 4096;

/** A folder that paths are below, by its real path on the server. */
export type Root = string;

/** A text of a call's metadata, whose names are in any case, as in Dapr. */
export function property(
  properties: Readonly<Record<string, string>>,
  name: string,
): string | undefined {
  const exact = properties[name];
  if (exact !== undefined) return exact || undefined;
  const lower = name.toLowerCase();
  const key = Object.keys(properties).find((one) => one.toLowerCase() === lower);
  return key === undefined ? undefined : properties[key] || undefined;
}

/** The component's root on one connection. */
export class ComponentRoot {
  readonly #metadata: Pick<SftpMetadata, "rootPath" | "allowRootOverride">;
  #known: Root | undefined;

  constructor(metadata: Pick<SftpMetadata, "rootPath" | "allowRootOverride">) {
    this.#metadata = metadata;
  }

  /** As the component says it; `undefined`: it is the login folder. */
  get given(): string | undefined {
    return this.#metadata.rootPath || undefined;
  }

  /** Its real path. It need not exist. */
  async path(requests: Requests): Promise<Root> {
    if (this.#known !== undefined) return this.#known;
    const root = await realRoot(requests, this.#metadata.rootPath || ".");
    try {
      await requests.lstat(root);
      // While it is not there it may become a link.
      this.#known = root;
    } catch (error) {
      if (!isMissing(error) && !isDenied(error)) throw error;
    }
    return root;
  }

  /** The folder that a call's names are below. Rejects where it is not below the component's. */
  async forCall(requests: Requests, ofCall: string | undefined): Promise<Root> {
    const root = await this.path(requests);
    if (ofCall === undefined) return root;
    const wanted = await realRoot(requests, ofCall);
    if (this.#metadata.allowRootOverride || isWithin(root, wanted)) return wanted;
    throw new BindingError(
      "permission_denied",
      `sftp binding error: the call's rootPath ${ofCall} is not below the component's; set allowRootOverride to allow that`,
    );
  }
}

/**
 * The real path of what a name means below a root: links are followed by the server. What does not exist is taken as it
 * is written. Throws a `BindingError` for a name that leads out of the root.
 */
export async function locate(requests: Requests, root: Root, name: string): Promise<string> {
  const path = pathBelow(root, name);
  const real = path === root ? root : await realOf(requests, path, name);
  if (isWithin(root, real)) return real;
  throw new BindingError(
    "permission_denied",
    `sftp binding error: ${name} leads out of rootPath by a link`,
  );
}

/** The same where the last part of the name is not followed if it is a link. */
export async function locateItself(requests: Requests, root: Root, name: string): Promise<string> {
  const path = pathBelow(root, name);
  if (path === root) return root;
  const inside = posix.relative(root, path);
  return posix.join(await locate(requests, root, posix.dirname(inside)), posix.basename(path));
}

/** Where a name leads if there are no links. Throws a `BindingError`. */
function pathBelow(root: Root, name: string): string {
  check(name);
  // An absolute name starts at the root, as in Dapr.
  const inside = posix.normalize(`./${name}`);
  if (inside === ".." || inside.startsWith("../")) {
    throw new BindingError(
      "permission_denied",
      `sftp binding error: ${name} leads out of rootPath`,
    );
  }
  return posix.join(root, inside).replace(/(.)\/$/, "$1");
}

/** A name of one file in a folder, and no path. */
export function isFileName(name: string): boolean {
  return (
    name !== "" &&
    name !== "." &&
    name !== ".." &&
    !/[/\0\u{FFFD}]/u.test(name) &&
    Buffer.byteLength(name) <= longestPath
  );
}

export function isWithin(root: Root, path: string): boolean {
  return path === root || path.startsWith(root === "/" ? root : `${root}/`);
}

async function realRoot(requests: Requests, path: string): Promise<Root> {
  check(path);
  return realOf(requests, posix.normalize(path), path);
}

/** The server's real path of what exists, with what follows as it is written. */
async function realOf(requests: Requests, path: string, name: string): Promise<string> {
  const missing: string[] = [];
  for (let existing = path; ; existing = posix.dirname(existing)) {
    try {
      const real = posix.normalize(posix.join(await requests.realpath(existing), ...missing));
      if (posix.isAbsolute(real)) return real.replace(/(.)\/$/, "$1");
      throw new BindingError(
        "internal",
        `sftp binding error: the server's real path of ${name} is not absolute`,
      );
    } catch (error) {
      if (!isMissing(error) || existing === posix.dirname(existing)) throw error;
      missing.unshift(posix.basename(existing));
    }
  }
}

function check(name: string): void {
  const problem = name.includes("\0")
    ? "has a NUL"
    : Buffer.byteLength(name) > longestPath
      ? "is longer than 4096 bytes"
      : name.isWellFormed()
        ? undefined
        : "is no text";
  if (problem === undefined) return;
  const shown = name.replaceAll("\0", "\\0").slice(0, 100).toWellFormed();
  throw new BindingError("invalid_argument", `sftp binding error: the path ${shown} ${problem}`);
}

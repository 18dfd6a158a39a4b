import { messageOf } from "../../errors.ts";
import { LockedFolder } from "./lock.ts";
import type { Failure } from "./operations.ts";
import { NewerSchema } from "./schema.ts";
import { sqliteCode } from "./sqlite-error.ts";

/** Says what is wrong with a file, and what to do. */
export function failureOf(error: unknown, path: string): Failure {
  const systemCode = sqliteCode(error) ?? nodeCode(error);
  const failure = (
    message: string,
    effect: Failure["effect"] = "unsent",
    reason: Failure["reason"] = "unavailable",
  ): Failure => ({ reason, effect, message, systemCode });
  const elsewhere = "or say --state-dir for another folder";
  if (error instanceof LockedFolder) {
    return failure(
      `cannot use the store ${path}: ${error.message}; end that, or give this one an --app-id or a --state-dir of its own`,
    );
  }
  if (error instanceof NewerSchema) {
    return failure(
      `cannot use the store ${path}: a newer Cufflink has written it (${error.message}); run that version, ${elsewhere}`,
    );
  }
  // Node's messages begin with their code.
  const isTold = systemCode === undefined || messageOf(error).startsWith(systemCode);
  const detail = `${messageOf(error)}${isTold ? "" : `, ${systemCode}`}`;
  switch (systemCode) {
    case "SQLITE_FULL":
    case "ENOSPC":
      return failure(`cannot write the store ${path}: the disk is full (${detail}); make room`);
    case "SQLITE_READONLY":
    case "EROFS":
      return failure(
        `cannot write the store ${path}: the disk is read-only (${detail}); mount a folder there that can be written, ${elsewhere}`,
      );
    case "SQLITE_CANTOPEN":
    case "EACCES":
    case "EPERM":
      return failure(
        `cannot write the store ${path}: not permitted (${detail}); let this user write it, ${elsewhere}`,
      );
    case "SQLITE_IOERR":
      return failure(
        `cannot use the store ${path}: the disk failed (${detail}); see the system's log, ${elsewhere}`,
        "ambiguous",
      );
    case "SQLITE_TOOBIG":
      return failure(
        `cannot keep this in the store ${path}: it is larger than SQLite takes (${detail})`,
        "rejected",
        "invalid_argument",
      );
    case undefined:
      return failure(`the store ${path} failed: ${detail}`, "unsent", "internal");
    default:
      return failure(`cannot use the store ${path} (${detail}); look at it, ${elsewhere}`);
  }
}

function nodeCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" && /^E[A-Z]+$/.test(error.code) ? error.code : undefined;
}

import { getSystemErrorMessage } from "node:util";
import { BindingError, messageOf } from "../errors.ts";
import type { Reason } from "../errors.ts";

const reasons: Readonly<Record<string, Reason>> = {
  EACCES: "permission_denied",
  EDQUOT: "resource_exhausted",
  EEXIST: "already_exists",
  EINVAL: "invalid_argument",
  EISDIR: "failed_precondition",
  ELOOP: "failed_precondition",
  ENAMETOOLONG: "invalid_argument",
  ENOENT: "not_found",
  ENOSPC: "resource_exhausted",
  ENOTDIR: "failed_precondition",
  ENOTEMPTY: "failed_precondition",
  EPERM: "permission_denied",
  EROFS: "failed_precondition",
};

/** Where the system's own words, which Dapr's users see, are not Node's. */
const words: Readonly<Record<string, string>> = {
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
};

/**
 * What the file system refused, in its words. Nothing was changed. `call`: what it was asked to do, and with which
 * path: `remove /data/a`.
 */
export function systemFailure(what: string, call: string, thrown: unknown): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const code = systemCode(thrown);
  const number = thrown instanceof Error && "errno" in thrown ? thrown.errno : undefined;
  const text =
    words[code ?? ""] ??
    (typeof number === "number" ? getSystemErrorMessage(number) : messageOf(thrown));
  return new BindingError(reasons[code ?? ""] ?? "internal", `${what}: ${call}: ${text}`, {
    systemCode: code,
    cause: thrown,
  });
}

/** `ENOENT` and the like. */
export function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
}

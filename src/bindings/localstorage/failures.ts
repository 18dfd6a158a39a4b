import { getSystemErrorMessage } from "node:util";
import { BindingError, messageOf } from "../../errors.ts";
import type { Reason } from "../../errors.ts";

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

/** What the file system refused, in its words. Nothing was changed. */
export function systemFailure(what: string, thrown: unknown): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const code = systemCode(thrown);
  const number = thrown instanceof Error && "errno" in thrown ? thrown.errno : undefined;
  const text = typeof number === "number" ? getSystemErrorMessage(number) : messageOf(thrown);
  return new BindingError(reasons[code ?? ""] ?? "internal", `${what}: ${text}`, {
    systemCode: code,
    cause: thrown,
  });
}

/** `ENOENT` and the like. */
export function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
}

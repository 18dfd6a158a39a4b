import { BindingError } from "../../../errors.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import type { Questions } from "../../../examination.ts";
import { jsonMembers } from "../../../http-client/service-client.ts";
import type { StorageClient } from "../storage-client.ts";

export type Wanted = {
  readonly bucket: string;
  /** What the login must be allowed, each with what needs it. */
  readonly rights: readonly (readonly ["may read" | "may write", permission: string])[];
};

/** Whether the bucket is there, and which permissions the login has on it. */
export async function examineBucket(
  client: StorageClient,
  { bucket, rights }: Wanted,
  questions: Questions,
): Promise<void> {
  const { signal, ask, unknown } = questions;
  const path = `/storage/v1/b/${encodeURIComponent(bucket)}`;
  const names = [...new Set(rights.map(([, permission]) => permission))];
  let granted: readonly unknown[] | undefined;
  const request = async (): Promise<void> => {
    const query = names.map((name) => `permissions=${encodeURIComponent(name)}`).join("&");
    const wanted = { method: "GET", path: `${path}/iam/testPermissions?${query}` } as const;
    const answered = await client.send({ ...wanted, also: [404] }, signal);
    const { kind, permissions = [] } = jsonMembers(answered.body);
    if (kind === "storage#testIamPermissionsResponse" && Array.isArray(permissions))
      granted = permissions;
    // Emulators do not know the question.
    else await client.send({ method: "GET", path: `${path}/o?maxResults=1` }, signal);
  };
  const told = [
    ["authenticated", ""],
    ["exists", `bucket ${bucket}`],
  ] as const;
  const reason = await examineByRequest(questions, request, told);
  if (reason !== undefined) return;
  for (const [kind, permission] of rights) {
    const known = granted;
    if (known === undefined)
      unknown(kind, permission, "the server does not answer which permissions a login has");
    else
      await ask(kind, permission, () => {
        if (!known.includes(permission))
          throw new BindingError("permission_denied", `the login has no ${permission} there`);
      });
  }
}

/** What an operation of Azure Storage needs: the least built-in role, and the letters of a shared access signature. */
export type StoragePermission = { readonly role: string; readonly signature: string };

const contributor = "Storage Blob Data Contributor";
const processor = "Storage Queue Data Message Processor";

/** The table of permissions that the pages of the types list, by operation. */
export const storagePermissions = {
  writeBlob: { role: contributor, signature: "w (c for new blobs)" },
  readBlob: { role: "Storage Blob Data Reader", signature: "r" },
  deleteBlob: { role: contributor, signature: "d" },
  copyBlob: { role: contributor, signature: "r, c and w" },
  listBlobs: { role: "Storage Blob Data Reader", signature: "l" },
  sendMessage: { role: "Storage Queue Data Message Sender", signature: "a" },
  takeMessages: { role: processor, signature: "p" },
  deleteMessage: { role: processor, signature: "p" },
  keepMessage: { role: "Storage Queue Data Contributor", signature: "u" },
} as const satisfies Readonly<Record<string, StoragePermission>>;

/** What to do about a request that was refused with 403, for the end of its message. `login`: how it logged in, as `StorageLogin`. */
export function whatToGrant(
  login: object,
  needs: StoragePermission | undefined,
): string | undefined {
  if ("entra" in login) return needs && `assign the role ${needs.role} to the component's identity`;
  if ("sas" in login)
    return needs && `the shared access signature needs the permission ${needs.signature}`;
  return "a key allows everything: look at the account's network rules, and whether it allows keys";
}

/** What the subjects of JetStream's API begin with, in this domain. */
export function apiPrefix({ domain }: { readonly domain?: string | undefined }): string {
  return domain ? `$JS.${domain}.API` : "$JS.API";
}

/** Whether a server is of this version or a newer one. */
export function isSince(
  { serverVersion }: { readonly serverVersion: string },
  major: number,
  minor: number,
): boolean {
  const [first = 0, second = 0] = serverVersion.split(".").map((part) => Number.parseInt(part, 10));
  return first > major || (first === major && second >= minor);
}

/** The process's surroundings, as far as component files can see them. */
export type Environment = {
  readonly appId: string;
  /** Empty: none. */
  readonly namespace: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
};

/**
 * Puts in `{uuid}`, `{podName}`, `{namespace}` (which is `<namespace>.<app id>`, as in daprd) and `{appID}`.
 * Names count as written; unknown ones stay.
 *
 * @throws Error when `{podName}` is used and `POD_NAME` is not set.
 */
export function expandTemplates(
  text: string,
  environment: Environment,
  uuid: () => string,
): string {
  if (!text.includes("{")) return text;
  const podName = environment.variables["POD_NAME"] ?? "";
  if (text.includes("{podName}") && podName === "") {
    throw new Error("uses {podName}, but the environment variable POD_NAME is not set");
  }
  return text
    .replaceAll("{uuid}", () => uuid())
    .replaceAll("{podName}", () => podName)
    .replaceAll("{namespace}", () => `${environment.namespace || "default"}.${environment.appId}`)
    .replaceAll("{appID}", () => environment.appId);
}

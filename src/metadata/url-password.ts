/** The password in a URL such as `amqp://user:password@host`, as it is written there; `undefined`: there is none. */
export function passwordInUrl(text: string): string | undefined {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\s]*)@/i.exec(text.trim())?.[1];
  const colon = authority?.indexOf(":") ?? -1;
  return colon < 0 ? undefined : authority?.slice(colon + 1) || undefined;
}

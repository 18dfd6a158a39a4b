/** Replaces secret texts in anything that is shown. */
export type Redact = (text: string) => string;

/** A function that replaces each of the given texts by `***`. Texts under four characters would garble too much and are left. */
export function redactor(secrets: readonly string[]): Redact {
  const longest = secrets
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length);
  if (longest.length === 0) return (text) => text;
  return (text) => longest.reduce((shown, secret) => shown.replaceAll(secret, "***"), text);
}

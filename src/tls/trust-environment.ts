/**
 * Trusts the authorities of `SSL_CERT_FILE` and `SSL_CERT_DIR`, as Go's programs do by themselves. Without these variables it loads
 * nothing. Never rejects: `warn` is told what could not be used.
 */
export async function trustEnvironment(warn: (text: string) => void): Promise<void> {
  if (!process.env["SSL_CERT_FILE"] && !process.env["SSL_CERT_DIR"]) return;
  const { trustEnvironmentAuthorities } = await import("./environment-authorities.ts");
  await trustEnvironmentAuthorities({ warn });
}

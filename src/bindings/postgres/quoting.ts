/** An SQL identifier, whatever the name. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** An SQL string, whatever the text, in a session that reads backslashes as they are. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

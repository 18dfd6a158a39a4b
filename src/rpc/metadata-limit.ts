/** An invocation with more metadata is refused: entries take up many times as much as they are long. */
const mostEntries = 10_000;

/** What is wrong with the metadata of an invocation, if there is too much of it. */
export function metadataProblem(metadata: Readonly<Record<string, string>>): string | undefined {
  let entries = 0;
  for (const _ in metadata) entries++;
  if (entries <= mostEntries) return undefined;
  return `an invocation has at most ${mostEntries} entries of metadata, and this one has ${entries}`;
}

/** How long names and values are, together. */
export function metadataBytes(metadata: Readonly<Record<string, string>>): number {
  let bytes = 0;
  for (const name in metadata) bytes += name.length + (metadata[name]?.length ?? 0);
  return bytes;
}

/** SQLite's primary result codes that mean more here than "it failed". */
const codes: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  7: "SQLITE_NOMEM",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  18: "SQLITE_TOOBIG",
  26: "SQLITE_NOTADB",
};

/** SQLite's own name for what was thrown; `undefined`: it was not SQLite's, or is none of interest. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  // The lower byte is the primary code, the rest tells more.
  return typeof error.errcode === "number" ? codes[error.errcode & 0xff] : undefined;
}

/** The bytes on disk are not what SQLite wrote. */
export function isCorruption(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB";
}

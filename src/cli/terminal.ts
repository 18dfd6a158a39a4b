/** Whether lines to this stream may be coloured: a terminal, and no `NO_COLOR`. */
export function wantsColor(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env["NO_COLOR"];
}

/** Columns as wide as their widest cell, two blanks between, without blanks at the ends of lines. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

/** Writes data to standard output as it is, and ends its last line where a person looks at it. */
export function writeData(data: Uint8Array): void {
  process.stdout.write(data);
  if (process.stdout.isTTY && data.length > 0 && data.at(-1) !== 0x0a) process.stdout.write("\n");
}

/** Writes a JSON value that a person can read too. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

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

/** Text from elsewhere for a terminal: a control character could forge lines or move the cursor. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (control) => (control === "\t" ? " " : "\ufffd"));
}

/** A paragraph, indented: in lines as long as the terminal is wide, in one where nobody looks at it. */
export function paragraph(text: string, indent: string): string {
  const { isTTY, columns } = process.stdout;
  const width = isTTY ? Math.max(columns, 40) : Number.POSITIVE_INFINITY;
  const lines: string[] = [];
  let line = indent;
  for (const word of plain(text).split(" ")) {
    const isFirst = line === indent;
    if (!isFirst && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else {
      line += isFirst ? word : ` ${word}`;
    }
  }
  return [...lines, line].join("\n");
}

/** How long ago it was, for people: `12s ago`, `5h ago`, `3d ago`. */
export function ago(time: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 100) return `${seconds}s ago`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)}m ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)}h ago`;
  return `${Math.round(seconds / 86_400)}d ago`;
}

/** A number of bytes for people: `120 B`, `1.5 KiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** `1 dead letter`, `12 dead letters`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

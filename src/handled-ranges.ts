/** Offsets from `first` to `last`, both included. */
export type OffsetRange = { readonly first: number; readonly last: number };

const mark = "cufflink:1:";

/**
 * Writes the ranges handled above a committed offset as the commit's metadata: a mark, then for each
 * range how many offsets are skipped and how many follow, in base 36. In ascending order; ranges that
 * do not fit in `limit` characters are left out, which costs a repetition and no more.
 */
export function encodeHandledRanges(
  committed: number,
  ranges: Iterable<OffsetRange>,
  limit: number,
): string {
  let text = "";
  let next = committed;
  for (const { first, last } of ranges) {
    const part = `${(first - next).toString(36)}.${(last - first + 1).toString(36)}`;
    const longer = text === "" ? mark + part : `${text},${part}`;
    if (longer.length > limit) break;
    text = longer;
    next = last + 1;
  }
  return text;
}

/** Reads what {@link encodeHandledRanges} wrote; nothing from any other text. */
export function decodeHandledRanges(committed: number, text: string | null): OffsetRange[] {
  if (text === null || !text.startsWith(mark)) return [];
  const ranges: OffsetRange[] = [];
  let next = committed;
  for (const part of text.slice(mark.length).split(",")) {
    const match = /^([0-9a-z]+)\.([0-9a-z]+)$/.exec(part);
    const skipped = Number.parseInt(match?.[1] ?? "", 36);
    const count = Number.parseInt(match?.[2] ?? "", 36);
    // Half a record is worse than none: what follows would be skipped at wrong offsets.
    if (!Number.isSafeInteger(next + skipped + count) || count < 1) return [];
    const first = next + skipped;
    ranges.push({ first, last: first + count - 1 });
    next = first + count;
  }
  return ranges;
}

type Block = { data: string | undefined; type: string; id: string | undefined };

/** The blocks of a whole event stream, read in the simplest way: for comparison with the one that reads parts. */
export function blocksOf(bytes: Uint8Array): Block[] {
  const text = Buffer.from(bytes)
    .toString("latin1")
    .replace(/^\u00ef\u00bb\u00bf/, "");
  const lines = text.replaceAll("\r\n", "\n").replaceAll("\r", "\n").split("\n");
  // What follows the last end of a line is no line.
  lines.pop();
  const blocks: Block[] = [];
  let block: Block = { data: undefined, type: "", id: undefined };
  let saysMore = false;
  for (const line of lines) {
    if (line === "") {
      if (block.data !== undefined || block.id !== undefined || saysMore)
        blocks.push({ ...block, type: block.type || "message" });
      block = { data: undefined, type: "", id: undefined };
      saysMore = false;
      continue;
    }
    const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    const asText = Buffer.from(value, "latin1").toString("utf8");
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    else if (name === "event") block.type = asText;
    // oxlint-disable-next-line no-control-regex -- the very characters that no header has
    else if (name === "id" && !/[\0-\x1f\x7f]/.test(asText) && asText.length <= 4096)
      block.id = asText;
    else if (name === "retry" && /^\d+$/.test(value)) saysMore = true;
  }
  return blocks;
}

/** What was parsed, in the same form. */
export function comparable(
  blocks: readonly { data: Buffer | undefined; type: string; id: string | undefined }[],
): Block[] {
  return blocks.map(({ data, type, id }) => ({ data: data?.toString("latin1"), type, id }));
}

/** The bytes in parts that end at these places, shares of the length in ten thousandths. */
export function cut(bytes: Uint8Array, places: readonly number[]): Buffer[] {
  const ends = places
    .map((place) => Math.floor((bytes.length * place) / 10_000))
    .toSorted((a, b) => a - b);
  const whole = Buffer.from(bytes);
  let start = 0;
  const parts = [...ends, bytes.length].map((end) => {
    const part = whole.subarray(start, end);
    start = end;
    return part;
  });
  return parts;
}

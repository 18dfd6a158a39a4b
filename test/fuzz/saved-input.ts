/** An input as JSON text: bytes as base64, and what JSON has no form for. */
export function formatInput(input: unknown): string {
  return `${JSON.stringify(encode(input), undefined, 1)}\n`;
}

/** The reverse of {@link formatInput}. */
export function parseInput(text: string): unknown {
  return decode(JSON.parse(text));
}

function encode(value: unknown): unknown {
  if (value === undefined) return { $undefined: true };
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value;
  return { $entries: Object.entries(value).map(([name, one]) => [name, encode(one)]) };
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (typeof value !== "object" || value === null) return value;
  if ("$undefined" in value) return undefined;
  if ("$bigint" in value) return BigInt(String(value.$bigint));
  if ("$number" in value) return Number(value.$number);
  if ("$bytes" in value) return Buffer.from(String(value.$bytes), "base64");
  if (!("$entries" in value) || !Array.isArray(value.$entries))
    throw new Error("this is no saved input");
  return Object.fromEntries(
    value.$entries.map(([name, one]: [string, unknown]) => [name, decode(one)]),
  );
}

/** A payload as a test says it: bytes, a text, or a value that is written as JSON. None of them: there is none. */
export type Payload = {
  readonly data?: Uint8Array | string | undefined;
  readonly json?: unknown;
};

/** Throws a `TypeError` for a value that JSON does not have. */
export function bytesOf(payload: Payload): Uint8Array | undefined {
  const { data, json } = payload;
  if (data !== undefined) return typeof data === "string" ? Buffer.from(data) : data;
  if (json === undefined) return undefined;
  const text: string | undefined = JSON.stringify(json);
  if (text === undefined) throw new TypeError("`json` is no value that JSON has");
  return Buffer.from(text);
}

export function textOf(data: Uint8Array | undefined): string {
  return data === undefined ? "" : Buffer.from(data).toString("utf8");
}

export function jsonOf(data: Uint8Array | undefined): unknown {
  return JSON.parse(textOf(data));
}

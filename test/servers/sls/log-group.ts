/** Texts and numbers of protobuf, by the reference's `LogGroup`, written and read without a library. */
export type StoredLog = {
  readonly time: number;
  readonly contents: readonly (readonly [key: string, value: Buffer])[];
};

export type StoredGroup = {
  readonly logs: readonly StoredLog[];
  readonly topic: string;
  readonly source: string;
  readonly tags: readonly (readonly [key: string, value: Buffer])[];
};

type Part = { readonly field: number; readonly value: Buffer | bigint };

function partsOf(bytes: Buffer): Part[] {
  const parts: Part[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const field = tag >> 3;
    if ((tag & 7) === 0) parts.push({ field, value: varint() });
    else if ((tag & 7) === 2) {
      const size = Number(varint());
      if (at + size > bytes.length) throw new Error("cut off");
      parts.push({ field, value: bytes.subarray(at, (at += size)) });
    } else if ((tag & 7) === 5) at += 4;
    else throw new Error(`no wire type of a log group: ${tag & 7}`);
  }
  return parts;
}

const bytesAt = (parts: readonly Part[], field: number): Buffer[] =>
  parts.flatMap((part) =>
    part.field === field && typeof part.value !== "bigint" ? [part.value] : [],
  );

function pairOf(bytes: Buffer): readonly [string, Buffer] {
  const parts = partsOf(bytes);
  const [key] = bytesAt(parts, 1);
  const [value] = bytesAt(parts, 2);
  // Both are required.
  if (key === undefined || value === undefined) throw new Error("a content lacks its key or value");
  return [key.toString(), value];
}

export function readGroup(bytes: Buffer): StoredGroup {
  const parts = partsOf(bytes);
  const text = (field: number): string => bytesAt(parts, field)[0]?.toString() ?? "";
  return {
    ...{ topic: text(3), source: text(4), tags: bytesAt(parts, 6).map(pairOf) },
    logs: bytesAt(parts, 1).map((log) => {
      const inner = partsOf(log);
      const time = inner.find(({ field }) => field === 1)?.value;
      if (typeof time !== "bigint") throw new Error("a log lacks its time");
      return { time: Number(time), contents: bytesAt(inner, 2).map(pairOf) };
    }),
  };
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

function lengthed(field: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varintOf((field << 3) | 2), varintOf(bytes.length), bytes]);
}

/** A group as a client sends it. */
export function writeGroup({ logs, topic, source, tags }: StoredGroup): Buffer {
  const pair = ([key, value]: readonly [string, Buffer]): Buffer =>
    Buffer.concat([lengthed(1, key), lengthed(2, value)]);
  const written = logs.map(({ time, contents }) =>
    lengthed(
      1,
      Buffer.concat([
        Buffer.from([8]),
        varintOf(time),
        ...contents.map((one) => lengthed(2, pair(one))),
      ]),
    ),
  );
  const texts = [lengthed(3, topic), lengthed(4, source)];
  return Buffer.concat([...written, ...texts, ...tags.map((one) => lengthed(6, pair(one)))]);
}

/** `LogGroupList`, as a shard is read. */
export function listOf(groups: readonly Buffer[]): Buffer {
  return Buffer.concat(groups.map((group) => lengthed(1, group)));
}

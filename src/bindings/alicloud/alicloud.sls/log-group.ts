import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { fieldsOf, lastOf } from "../protobuf-fields.ts";

/** A log as it is written: its time in seconds, and texts by name. */
export type NewLog = {
  readonly time: number;
  readonly contents: Readonly<Record<string, string>>;
  readonly topic: string;
  readonly source: string;
};

export type Content = { readonly key: string; readonly value: Uint8Array };

/** A log as it is read, with what its group says. */
export type ReadLog = {
  /** In seconds. */
  readonly time: number;
  readonly contents: readonly Content[];
  readonly topic: string;
  readonly source: string;
  readonly tags: readonly Content[];
};

/** A group of one log, as the reference's `LogGroup` in protobuf. */
export function encodeLogGroup({ time, contents, topic, source }: NewLog): Uint8Array {
  const log = new BinaryWriter();
  log.tag(1, WireType.Varint).uint32(time);
  for (const [key, value] of Object.entries(contents)) {
    log.tag(2, WireType.LengthDelimited).fork();
    log.tag(1, WireType.LengthDelimited).string(key);
    log.tag(2, WireType.LengthDelimited).string(value);
    log.join();
  }
  return new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(log.finish())
    .tag(3, WireType.LengthDelimited)
    .string(topic)
    .tag(4, WireType.LengthDelimited)
    .string(source)
    .finish();
}

/** The logs of a `LogGroupList`, in their order. Throws for what is none. */
export function decodeLogGroups(bytes: Uint8Array): ReadLog[] {
  return fieldsOf(bytes)
    .filter(({ number }) => number === 1)
    .flatMap(({ bytes }) => logsOf(bytes));
}

function logsOf(bytes: Uint8Array): ReadLog[] {
  const fields = fieldsOf(bytes);
  const textAt = (number: number): string => {
    const found = fields.findLast((field) => field.number === number);
    return found === undefined ? "" : textOf(found.bytes);
  };
  const group = {
    ...{ topic: textAt(3), source: textAt(4) },
    tags: fields.filter(({ number }) => number === 6).map(({ bytes }) => contentOf(bytes)),
  };
  return fields
    .filter(({ number }) => number === 1)
    .map(({ bytes }) => {
      const parts = fieldsOf(bytes);
      return {
        ...group,
        time: parts.findLast(({ number }) => number === 1)?.varint ?? 0,
        contents: parts.filter(({ number }) => number === 2).map(({ bytes }) => contentOf(bytes)),
      };
    });
}

function contentOf(bytes: Uint8Array): Content {
  const fields = fieldsOf(bytes);
  return { key: textOf(lastOf(fields, 1)), value: lastOf(fields, 2) };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

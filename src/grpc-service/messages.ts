import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** How a value is written in Protocol Buffers. */
export type Kind<Value> = {
  readonly wire: WireType;
  /** What an absent field means. */
  readonly none: () => Value;
  readonly isNone: (value: Value) => boolean;
  readonly write: (writer: BinaryWriter, value: Value) => void;
  readonly read: (reader: BinaryReader) => Value;
};

/** A field: its number in the published definition, and its values. */
export type MessageField<Value> = {
  readonly number: number;
  readonly kind: Kind<Value>;
  /** Writes it, unless it is as if absent. */
  readonly put: (writer: BinaryWriter, value: Value) => void;
  /** Reads one occurrence and gives what the field is then. */
  readonly take: (reader: BinaryReader, type: WireType, before: Value) => Value;
};

// oxlint-disable-next-line typescript/no-explicit-any -- the one place: a field both takes and gives its values
export type MessageFields = Readonly<Record<string, MessageField<any>>>;

export type MessageValues<Fields extends MessageFields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends MessageField<infer Value> ? Value : never;
};

/** A message by the fields of it that are used. Others are passed over when it is read. */
export type MessageType<Fields extends MessageFields> = {
  readonly fields: Fields;
  encode(values: Partial<MessageValues<Fields>>): Uint8Array;
  /** Throws where the bytes are none. */
  decode(bytes: Uint8Array): MessageValues<Fields>;
};

export type ValuesOf<Type> = Type extends MessageType<infer Fields> ? MessageValues<Fields> : never;

export function message<const Fields extends MessageFields>(fields: Fields): MessageType<Fields> {
  const byNumber = new Map(
    Object.entries(fields).map(([name, field]) => [field.number, { name, field }]),
  );
  return {
    fields,
    encode(values) {
      const writer = new BinaryWriter();
      for (const [name, field] of Object.entries(fields)) {
        const value: unknown = values[name];
        if (value !== undefined) field.put(writer, value);
      }
      return writer.finish();
    },
    decode(bytes) {
      const values: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(fields)) values[name] = field.kind.none();
      const reader = new BinaryReader(bytes);
      while (reader.pos < reader.len) {
        const [number, type] = reader.tag();
        const known = byNumber.get(number);
        if (known === undefined) reader.skip(type, number);
        else values[known.name] = known.field.take(reader, type, values[known.name]);
      }
      return values as MessageValues<Fields>;
    },
  };
}

export const text: Kind<string> = {
  wire: WireType.LengthDelimited,
  none: () => "",
  isNone: (value) => value === "",
  // What is no UTF-16 cannot be written.
  write: (writer, value) => void writer.string(value.toWellFormed()),
  read: (reader) => reader.string(),
};

export const bytes: Kind<Uint8Array> = {
  wire: WireType.LengthDelimited,
  none: () => new Uint8Array(),
  isNone: (value) => value.length === 0,
  write: (writer, value) => void writer.bytes(value),
  read: (reader) => reader.bytes(),
};

export const bool: Kind<boolean> = {
  wire: WireType.Varint,
  none: () => false,
  isNone: (value) => !value,
  write: (writer, value) => void writer.bool(value),
  read: (reader) => reader.bool(),
};

/** Enumerations, too. */
export const int32: Kind<number> = {
  wire: WireType.Varint,
  none: () => 0,
  isNone: (value) => value === 0,
  write: (writer, value) => void writer.int32(value),
  read: (reader) => reader.int32(),
};

export const int64: Kind<bigint> = {
  wire: WireType.Varint,
  none: () => 0n,
  isNone: (value) => value === 0n,
  write: (writer, value) => void writer.int64(value),
  read: (reader) => BigInt(reader.int64()),
};

/** `undefined`: it is not there. */
export function nested<Fields extends MessageFields>(
  type: MessageType<Fields>,
): Kind<MessageValues<Fields> | undefined> {
  return {
    wire: WireType.LengthDelimited,
    none: () => undefined,
    isNone: (value) => value === undefined,
    write: (writer, value) => void writer.bytes(type.encode(value ?? {})),
    read: (reader) => type.decode(reader.bytes()),
  };
}

export function one<Value>(number: number, kind: Kind<Value>): MessageField<Value> {
  return {
    number,
    kind,
    put(writer, value) {
      if (!kind.isNone(value)) kind.write(writer.tag(number, kind.wire), value);
    },
    take: (reader) => kind.read(reader),
  };
}

/** A repeated field. Numbers are read packed or not, and written one by one. */
export function many<Value>(
  number: number,
  kind: Kind<Value>,
): MessageField<readonly NonNullable<Value>[]> {
  type Values = readonly NonNullable<Value>[];
  return {
    number,
    kind: {
      wire: kind.wire,
      none: () => [],
      isNone: (values) => values.length === 0,
      write: () => undefined,
      read: () => [],
    },
    put(writer, values) {
      for (const value of values) kind.write(writer.tag(number, kind.wire), value);
    },
    take(reader, type, before) {
      if (type === kind.wire) return [...before, kind.read(reader)] as Values;
      const packed = new BinaryReader(reader.bytes());
      const more: Value[] = [];
      while (packed.pos < packed.len) more.push(kind.read(packed));
      return [...before, ...more] as Values;
    },
  };
}

const entry = message({ name: one(1, text), value: one(2, text) });

/** A map of texts. */
export function texts(number: number): MessageField<ReadonlyMap<string, string>> {
  return {
    number,
    kind: {
      wire: WireType.LengthDelimited,
      none: () => new Map(),
      isNone: (values) => values.size === 0,
      write: () => undefined,
      read: () => new Map(),
    },
    put(writer, values) {
      for (const [name, value] of values)
        writer.tag(number, WireType.LengthDelimited).bytes(entry.encode({ name, value }));
    },
    take(reader, _type, before) {
      const { name, value } = entry.decode(reader.bytes());
      return new Map(before).set(name, value);
    },
  };
}

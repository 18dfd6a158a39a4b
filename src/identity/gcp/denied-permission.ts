import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** As `google.rpc.ErrorInfo` has it. */
type ErrorInfo = {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, unknown>>;
};

const denied = "IAM_PERMISSION_DENIED";
const typeOfInfo = "type.googleapis.com/google.rpc.ErrorInfo";

/**
 * What to do about a denied call, for the end of its message: `; grant the permission …`, where the details of the JSON
 * error name it and the message does not. Empty: they do not.
 */
export function grantOfJson(error: unknown, message: string): string {
  const details: unknown = Reflect.get(Object(error), "details");
  for (const detail of Array.isArray(details) ? (details as unknown[]) : []) {
    const fields = Object(detail) as Record<string, unknown>;
    if (fields["@type"] !== typeOfInfo) continue;
    const metadata = Object(fields["metadata"]) as Record<string, unknown>;
    return grantOf({ reason: String(fields["reason"]), metadata }, message);
  }
  return "";
}

/** The same of an encoded `google.rpc.Status`, which gRPC has. */
export function grantOfStatus(status: Uint8Array | undefined, message: string): string {
  if (status === undefined) return "";
  try {
    for (const detail of fieldsOf(status, 3)) {
      const [type] = fieldsOf(detail, 1);
      if (type === undefined || textOf(type) !== typeOfInfo) continue;
      const [info = new Uint8Array()] = fieldsOf(detail, 2);
      return grantOf(readInfo(info), message);
    }
  } catch {
    // Details that cannot be read say nothing.
  }
  return "";
}

function grantOf({ reason, metadata }: ErrorInfo, message: string): string {
  const { permission, resource } = metadata;
  if (reason !== denied || typeof permission !== "string") return "";
  // It becomes a part of a message: a name of another form is none.
  if (!/^[\w.]{1,200}$/.test(permission) || message.includes(permission)) return "";
  const isNamed = typeof resource === "string" && /^[\w/.:-]{1,500}$/.test(resource);
  return `; grant the permission ${permission}${isNamed ? ` on ${resource}` : ""} to the component's identity`;
}

/** `string reason = 1; string domain = 2; map<string, string> metadata = 3`. */
function readInfo(info: Uint8Array): ErrorInfo {
  const [reason = new Uint8Array()] = fieldsOf(info, 1);
  const metadata = Object.fromEntries(
    fieldsOf(info, 3).map((entry) => {
      const [name = new Uint8Array()] = fieldsOf(entry, 1);
      const [value = new Uint8Array()] = fieldsOf(entry, 2);
      return [textOf(name), textOf(value)];
    }),
  );
  return { reason: textOf(reason), metadata };
}

/** The values of a field of a message that have a length. Throws for what is no message. */
function fieldsOf(message: Uint8Array, field: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const values: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field && type === WireType.LengthDelimited) values.push(reader.bytes());
    else reader.skip(type, number);
  }
  return values;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

/** gRPC's status codes by their names. */
export const Code = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export type Code = (typeof Code)[keyof typeof Code];

const codeNames = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The name as gRPC's documents spell it, such as `NOT_FOUND`; `CODE_99` for a number that has none. */
export function codeName(code: number): string {
  return codeNames[code] ?? `CODE_${code}`;
}

/** Response metadata; a name may repeat. */
export type ResponseHeaders = Readonly<Record<string, string | string[]>>;

/** The failure of a call, as gRPC says it. */
export class GrpcFailure extends Error {
  override readonly name = "GrpcFailure";
  /** The gRPC status code, 1 to 16. */
  readonly code: number;
  /** An encoded `google.rpc.Status` for `grpc-status-details-bin`. */
  readonly details: Uint8Array | undefined;
  /** Metadata that goes out beside the status. */
  readonly metadata: ResponseHeaders | undefined;

  constructor(code: number, message: string, details?: Uint8Array, metadata?: ResponseHeaders) {
    super(message);
    this.code = code;
    this.details = details;
    this.metadata = metadata;
  }
}

/** A message over a limit, in grpc-go's words. */
export class MessageTooLarge extends GrpcFailure {
  constructor(text: string) {
    super(Code.resourceExhausted, `grpc: ${text}`);
  }
}

/**
 * Writes a message for the `grpc-message` header: UTF-8, percent-encoded outside printable ASCII, and where a blank is first
 * or last, which HTTP/2 does not carry.
 */
export function encodeGrpcMessage(message: string): string {
  if (!/[^ -$&-~]|^ | $/.test(message)) return message;
  let encoded = "";
  const bytes = Buffer.from(message);
  for (const [at, byte] of bytes.entries()) {
    const isOuter = at === 0 || at === bytes.length - 1;
    encoded +=
      byte >= (isOuter ? 0x21 : 0x20) && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** Reads a `grpc-message` header. A broken escape stays as it is; invalid UTF-8 becomes U+FFFD. */
export function decodeGrpcMessage(header: string): string {
  if (!header.includes("%")) return header;
  const bytes: number[] = [];
  for (let at = 0; at < header.length; at++) {
    const escape = header[at] === "%" ? header.slice(at + 1, at + 3) : "";
    if (/^[0-9a-fA-F]{2}$/.test(escape)) {
      bytes.push(Number.parseInt(escape, 16));
      at += 2;
    } else {
      bytes.push(...Buffer.from(header[at] ?? ""));
    }
  }
  return Buffer.from(bytes).toString();
}

/** Writes bytes for a `-bin` header: base64 without padding. */
export function encodeBinaryHeader(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  return text.replace(/=+$/, "");
}

/** Reads the bytes of a `-bin` header, padded or not. */
export function decodeBinaryHeader(text: string): Buffer {
  return Buffer.from(text, "base64");
}

/** The status that gRPC prescribes for an answer that came with a plain HTTP status. */
export function codeFromHttpStatus(status: number): Code {
  switch (status) {
    case 400:
      return Code.internal;
    case 401:
      return Code.unauthenticated;
    case 403:
      return Code.permissionDenied;
    case 404:
      return Code.unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.unavailable;
    default:
      return Code.unknown;
  }
}

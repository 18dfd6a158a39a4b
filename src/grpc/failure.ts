import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, GrpcFailure, type ResponseHeaders } from "./status.ts";

/** A detail of a Connect error: one that came over the wire, or one to be encoded. */
type ErrorDetail =
  | { readonly type: string; readonly value: Uint8Array }
  | { readonly desc: DescMessage; readonly value: MessageInitShape<DescMessage> };

/** What a `ConnectError` has. Known by its shape, so that Connect need not be loaded. */
type ConnectErrorShape = Error & {
  readonly code: number;
  readonly rawMessage: string;
  readonly metadata: Headers;
  readonly details: readonly ErrorDetail[];
  readonly isWireError?: boolean;
};

/** Whatever a method threw, as gRPC says it. What is neither a `GrpcFailure` nor a `ConnectError` is UNKNOWN. */
export function toGrpcFailure(thrown: unknown): GrpcFailure {
  if (thrown instanceof GrpcFailure) return thrown;
  if (isConnectError(thrown)) return fromConnectError(thrown);
  if (thrown instanceof Error && (thrown.name === "AbortError" || thrown.name === "TimeoutError"))
    return new GrpcFailure(Code.cancelled, thrown.message);
  return new GrpcFailure(Code.unknown, String(thrown));
}

function isConnectError(thrown: unknown): thrown is ConnectErrorShape {
  return (
    thrown instanceof Error &&
    thrown.name === "ConnectError" &&
    "code" in thrown &&
    typeof thrown.code === "number" &&
    "rawMessage" in thrown &&
    typeof thrown.rawMessage === "string" &&
    "metadata" in thrown &&
    "details" in thrown &&
    Array.isArray(thrown.details)
  );
}

function fromConnectError(error: ConnectErrorShape): GrpcFailure {
  const { code, rawMessage, details } = error;
  // An error that a client got from elsewhere is passed on without the metadata of that call.
  const metadata = error.isWireError === true ? undefined : metadataOf(error.metadata);
  const encoded = details.length === 0 ? undefined : encodeStatus(code, rawMessage, details);
  return new GrpcFailure(code, rawMessage, encoded, metadata);
}

const reserved = new Set([
  "content-type",
  "content-length",
  "content-encoding",
  "accept-encoding",
  "connection",
  "date",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
]);

/** Metadata out of `Headers`, without what is the protocol's own. */
export function metadataOf(headers: Headers): ResponseHeaders {
  const metadata: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (!reserved.has(name) && !name.startsWith("grpc-")) metadata[name] = value;
  }
  return metadata;
}

/**
 * A `google.rpc.Status`: `int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3`, where
 * an `Any` is `string type_url = 1; bytes value = 2`.
 */
function encodeStatus(code: number, message: string, details: readonly ErrorDetail[]): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(code);
  writer.tag(2, WireType.LengthDelimited).string(message.toWellFormed());
  for (const detail of details) {
    const isEncoded = "type" in detail;
    const type = isEncoded ? detail.type : detail.desc.typeName;
    const value = isEncoded
      ? detail.value
      : toBinary(detail.desc, create(detail.desc, detail.value));
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(`type.googleapis.com/${type}`);
    writer.tag(2, WireType.LengthDelimited).bytes(value);
    writer.join();
  }
  return writer.finish();
}

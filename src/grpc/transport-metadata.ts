import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HeaderRecord } from "../http2/header-block.ts";
import type { Unanswered } from "./client-call.ts";
import { CallFailure } from "./client-status.ts";

/** What a `Headers` is made of. */
export type HeadersInput = ConstructorParameters<typeof Headers>[0];

/** What the protocol itself says, which a caller cannot. */
const reserved = new Set([
  "content-type",
  "te",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
]);
const statusHeaders = new Set(["grpc-status", "grpc-message", "grpc-status-details-bin"]);

/** Request metadata as the client takes it. */
export function fromHeadersInit(init: HeadersInput): Record<string, string | string[]> | undefined {
  if (init === undefined) return undefined;
  const result: Record<string, string | string[]> = {};
  const entries = Symbol.iterator in init ? init : Object.entries(init);
  for (const [spelled, value] of entries as Iterable<[string, string | string[] | undefined]>) {
    const name = spelled.toLowerCase();
    if (value === undefined || reserved.has(name)) continue;
    const known = result[name];
    result[name] = known === undefined ? value : [known, value].flat();
  }
  return result;
}

/** Metadata of an answer, without the status and what HTTP/2 says about itself. */
export function toHeaders(...blocks: readonly HeaderRecord[]): Headers {
  const headers = new Headers();
  for (const block of blocks) {
    for (const name in block) {
      const value = block[name];
      if (value === undefined || name.startsWith(":") || statusHeaders.has(name)) continue;
      if (typeof value === "string") headers.append(name, value);
      else for (const one of value) headers.append(name, one);
    }
  }
  return headers;
}

/** What a call failed of, in Connect's words. */
export function toConnectError(failed: unknown, signal: AbortSignal | undefined): ConnectError {
  if (failed instanceof ConnectError) return failed;
  const failure = failed instanceof CallFailure ? failed : CallFailure.from(failed as Unanswered);
  if (failure.cause !== undefined) return ConnectError.from(failure.cause, Code.Canceled);
  if (failure.code === (Code.Canceled as number) && signal?.aborted === true) {
    return ConnectError.from(signal.reason, Code.Canceled);
  }
  const { message, code, headers, trailers, details } = failure;
  const known = code >= 1 && code <= 16 ? code : Code.Unknown;
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- both count as gRPC does
  const error = new ConnectError(message, known, toHeaders(headers, trailers));
  if (details !== undefined) error.details = readDetails(details);
  return error;
}

type Detail = { type: string; value: Uint8Array<ArrayBuffer> };

/** The details of an encoded `google.rpc.Status`; what cannot be read of them is left out. */
function readDetails(status: Uint8Array): Detail[] {
  const details: Detail[] = [];
  try {
    readFields(status, (field, reader) => {
      if (field !== 3) return false;
      const detail = { type: "", value: new Uint8Array() };
      readFields(reader.bytes(), (part, inner) => {
        if (part === 1) detail.type = inner.string().replace(/^.*\//, "");
        else if (part === 2) detail.value = new Uint8Array(inner.bytes());
        else return false;
        return true;
      });
      details.push(detail);
      return true;
    });
  } catch {
    // The status's own code and text have come all the same.
  }
  return details;
}

/** Calls `take` for each length-delimited field, which returns whether it has read it. */
function readFields(
  message: Uint8Array,
  take: (field: number, reader: BinaryReader) => boolean,
): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited || !take(field, reader)) reader.skip(type, field);
  }
}

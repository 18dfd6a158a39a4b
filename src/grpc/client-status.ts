import type { IncomingHttpHeaders } from "node:http2";
import type { Unanswered } from "./client-call.ts";
import {
  Code,
  codeFromHttpStatus,
  codeName,
  decodeBinaryHeader,
  decodeGrpcMessage,
  GrpcFailure,
} from "./status.ts";

const noHeaders: IncomingHttpHeaders = {};

/**
 * Why a call did not end well.
 *
 * - `failed`: the server answered with an error, or with what is no proper answer.
 * - `unsent`: nothing of the call can have been processed.
 * - `broken`: it was written, at least in part, and then the stream broke, the time was up or it was cancelled.
 */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly kind: "failed" | "unsent" | "broken";
  /** The gRPC status code. */
  readonly code: number;
  /** The encoded `google.rpc.Status` of an error that has details. */
  readonly details: Uint8Array | undefined;
  /** Empty when none came. Those of an answer that consists of one block of headers are `trailers`. */
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;

  constructor(
    kind: CallFailure["kind"],
    code: number,
    message: string,
    rest: {
      readonly details?: Uint8Array | undefined;
      readonly headers?: IncomingHttpHeaders;
      readonly trailers?: IncomingHttpHeaders;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, "cause" in rest ? { cause: rest.cause } : undefined);
    this.kind = kind;
    this.code = code;
    this.details = rest.details;
    this.headers = rest.headers ?? noHeaders;
    this.trailers = rest.trailers ?? noHeaders;
  }

  /** The code's name: `ABORTED`. */
  get status(): string {
    return codeName(this.code);
  }

  static from({ kind, code, reason }: Unanswered): CallFailure {
    return new CallFailure(kind, code, reason);
  }
}

/** A client that takes no messages packed in another way says so here. */
const knownEncodings = new Set<unknown>([undefined, "identity", "gzip"]);

/** What is wrong with the headers of an answer that is still going on; `undefined`: nothing. */
export function checkHeaders(headers: IncomingHttpHeaders): CallFailure | undefined {
  const status = Number(headers[":status"]);
  const type = headers["content-type"];
  if (status !== 200 || type === undefined || !isGrpc(type)) {
    const code = status === 200 ? Code.unknown : codeFromHttpStatus(status);
    const text = `HTTP status ${status} with ${type ?? "no content type"} and no gRPC status`;
    return new CallFailure("failed", code, text, { headers });
  }
  if (type.startsWith("application/grpc+") && type !== "application/grpc+proto") {
    const text = `the answer's messages are ${type}, not protobuf`;
    return new CallFailure("failed", Code.internal, text, { headers });
  }
  const encoding = headers["grpc-encoding"];
  if (!knownEncodings.has(encoding)) {
    const text = `the answer is packed with ${String(encoding)}, which was not asked for`;
    return new CallFailure("failed", Code.internal, text, { headers });
  }
  return undefined;
}

function isGrpc(type: string): boolean {
  return type === "application/grpc" || /^application\/grpc[+;]/.test(type);
}

/** How a call ended by its last headers; `undefined`: well. */
export function checkStatus(
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders,
  hasBody: boolean,
): CallFailure | undefined {
  let ended = { headers, trailers };
  let status = trailers["grpc-status"];
  // Of an answer without body and trailers, the headers are the trailers.
  if (status === undefined && !hasBody && Object.keys(trailers).length === 0) {
    status = headers["grpc-status"];
    if (status !== undefined) ended = { headers: noHeaders, trailers: headers };
  }
  if (status === undefined) {
    const wrong = checkHeaders(headers);
    if (wrong !== undefined) return wrong;
    const text = "the answer ended without a gRPC status";
    return new CallFailure("failed", Code.internal, text, ended);
  }
  if (status === "0") return checkHeaders(headers);
  const code = Number(status);
  const known = Number.isInteger(code) && code >= 0;
  const text = ended.trailers["grpc-message"];
  return new CallFailure(
    "failed",
    known ? code : Code.unknown,
    typeof text === "string" ? decodeGrpcMessage(text) : "",
    { ...ended, details: detailsOf(ended.trailers) },
  );
}

function detailsOf(trailers: IncomingHttpHeaders): Uint8Array | undefined {
  const encoded = trailers["grpc-status-details-bin"];
  return typeof encoded === "string" ? decodeBinaryHeader(encoded) : undefined;
}

/** What the reading of a message threw, as the failure of its call. */
export function messageFailure(thrown: unknown, headers: IncomingHttpHeaders): CallFailure {
  const code = thrown instanceof GrpcFailure ? thrown.code : Code.internal;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new CallFailure("failed", code, text, { headers });
}

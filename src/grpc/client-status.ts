import type { HeaderBlock, HeaderRecord } from "../http2/header-block.ts";
import type { Unanswered } from "./client-call.ts";
import {
  Code,
  codeFromHttpStatus,
  codeName,
  decodeBinaryHeader,
  decodeGrpcMessage,
  GrpcFailure,
} from "./status.ts";

const noHeaders: HeaderRecord = Object.freeze({});

/** A block as a record; without one, an empty record. */
export function recordOf(block: HeaderBlock | undefined): HeaderRecord {
  return block?.record ?? noHeaders;
}

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
  readonly #headers: HeaderBlock | undefined;
  readonly #trailers: HeaderBlock | undefined;

  constructor(
    kind: CallFailure["kind"],
    code: number,
    message: string,
    rest: {
      readonly details?: Uint8Array | undefined;
      readonly headers?: HeaderBlock | undefined;
      readonly trailers?: HeaderBlock | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, "cause" in rest ? { cause: rest.cause } : undefined);
    this.kind = kind;
    this.code = code;
    this.details = rest.details;
    this.#headers = rest.headers;
    this.#trailers = rest.trailers;
  }

  /** Empty when none came. Those of an answer that consists of one block of headers are {@link trailers}. */
  get headers(): HeaderRecord {
    return recordOf(this.#headers);
  }

  get trailers(): HeaderRecord {
    return recordOf(this.#trailers);
  }

  /** The code's name: `ABORTED`. */
  get status(): string {
    return codeName(this.code);
  }

  static from({ kind, code, reason }: Unanswered): CallFailure {
    return new CallFailure(kind, code, reason);
  }
}

/** What is wrong with the headers of an answer that is still going on; `undefined`: nothing. */
export function checkHeaders(headers: HeaderBlock): CallFailure | undefined {
  const type = headers.get("content-type");
  const encoding = headers.get("grpc-encoding");
  if (
    type === "application/grpc" &&
    headers.get(":status") === "200" &&
    (encoding === undefined || encoding === "identity" || encoding === "gzip")
  ) {
    return undefined;
  }
  const status = Number(headers.get(":status"));
  if (status !== 200 || type === undefined || !isGrpc(type)) {
    const code = status === 200 ? Code.unknown : codeFromHttpStatus(status);
    const text = `HTTP status ${status} with ${type ?? "no content type"} and no gRPC status`;
    return new CallFailure("failed", code, text, { headers });
  }
  if (type.startsWith("application/grpc+") && type !== "application/grpc+proto") {
    const text = `the answer's messages are ${type}, not protobuf`;
    return new CallFailure("failed", Code.internal, text, { headers });
  }
  // A client that takes no messages packed in another way says so here.
  if (encoding !== undefined && encoding !== "identity" && encoding !== "gzip") {
    const text = `the answer is packed with ${encoding}, which was not asked for`;
    return new CallFailure("failed", Code.internal, text, { headers });
  }
  return undefined;
}

function isGrpc(type: string): boolean {
  return type === "application/grpc" || /^application\/grpc[+;]/.test(type);
}

/** How a call ended by its last headers; `undefined`: well. */
export function checkStatus(
  headers: HeaderBlock,
  trailers: HeaderBlock | undefined,
  hasBody: boolean,
): CallFailure | undefined {
  const status = trailers?.get("grpc-status");
  if (status === "0") return checkHeaders(headers);
  if (status !== undefined) return failureOf(status, headers, trailers);
  // Of an answer without body and trailers, the headers are the trailers.
  if (!hasBody && (trailers === undefined || trailers.fields.length === 0)) {
    const only = headers.get("grpc-status");
    if (only === "0") return checkHeaders(headers);
    if (only !== undefined) return failureOf(only, undefined, headers);
  }
  const wrong = checkHeaders(headers);
  if (wrong !== undefined) return wrong;
  const text = "the answer ended without a gRPC status";
  return new CallFailure("failed", Code.internal, text, { headers, trailers });
}

function failureOf(
  status: string,
  headers: HeaderBlock | undefined,
  trailers: HeaderBlock | undefined,
): CallFailure {
  const code = Number(status);
  const isKnown = Number.isInteger(code) && code >= 0;
  const encoded = trailers?.get("grpc-status-details-bin");
  return new CallFailure(
    "failed",
    isKnown ? code : Code.unknown,
    decodeGrpcMessage(trailers?.get("grpc-message") ?? ""),
    { headers, trailers, details: encoded === undefined ? undefined : decodeBinaryHeader(encoded) },
  );
}

/** What the reading of a message threw, as the failure of its call. */
export function messageFailure(thrown: unknown, headers: HeaderBlock | undefined): CallFailure {
  const code = thrown instanceof GrpcFailure ? thrown.code : Code.internal;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new CallFailure("failed", code, text, { headers });
}

import type { DescMethod, Registry } from "@bufbuild/protobuf";
import type { Answer, Call, StreamAnswer, StreamCall } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { CallFailure, type GrpcCallOptions, type GrpcStream } from "../../grpc/client.ts";
import { Code } from "../../grpc/status.ts";
import { assuredBytes, noRoom, type MemoryShare } from "../../memory/budget.ts";
import { ByteParts } from "../../memory/byte-parts.ts";
import type { GrpcConnection, MethodName } from "./connection.ts";
import { failureOf } from "./failures.ts";
import type { callFields, grpcFields } from "./fields.ts";
import { answerMetadata, callHeaders } from "./headers.ts";
import { decodeAnswer, encodeRequest } from "./json.ts";

type AnyCall =
  | Call<typeof grpcFields, typeof callFields>
  | StreamCall<typeof grpcFields, typeof callFields>;

/** A call that can be sent. */
type Prepared = {
  readonly name: MethodName;
  /** As `shop.v1.Orders/Get`. */
  readonly what: string;
  readonly path: string;
  readonly method: DescMethod;
  readonly message: Uint8Array;
  readonly options: GrpcCallOptions;
};

/** Calls a method, and answers with its message, or all its messages in an array, as JSON. */
export async function invoke(
  connection: GrpcConnection,
  call: Call<typeof grpcFields, typeof callFields>,
  memory: MemoryShare,
): Promise<Answer> {
  const prepared = await prepare(connection, call, call.data);
  if (prepared.method.methodKind === "unary") return unary(connection, call, prepared);
  return gathered(connection, call, prepared, memory);
}

/** The same with an answer in parts: each message of a streamed answer is a line of JSON. */
export async function invokeStream(
  connection: GrpcConnection,
  call: StreamCall<typeof grpcFields, typeof callFields>,
  memory: MemoryShare,
): Promise<StreamAnswer> {
  const prepared = await prepare(connection, call, await wholeBody(call.body, memory));
  if (prepared.method.methodKind === "unary") return unary(connection, call, prepared);
  const stream = openStream(connection, prepared);
  const metadata = answerMetadata(await headersOf(connection, stream, prepared));
  return { metadata, body: lines(connection, call, prepared, stream) };
}

async function prepare(
  connection: GrpcConnection,
  call: AnyCall,
  data: Uint8Array | undefined,
): Promise<Prepared> {
  const { request, metadata, properties, signal, deadline = Infinity } = call;
  const name = connection.name(request);
  const what = `${name.service}/${name.method}`;
  const headers = callHeaders(properties, metadata.headers, request.headers);
  const { method } = await connection.find(name, signal);
  if (method.methodKind !== "unary" && method.methodKind !== "server_streaming") {
    const text = `grpc: ${what} takes a stream of messages; only methods that take one message can be called`;
    throw new BindingError("unimplemented", text);
  }
  const message = await connection.withTypes(
    (registry) => encodeRequest(method.input, data, registry, metadata),
    signal,
  );
  const timeout = Math.min(metadata.timeout ?? Infinity, deadline - performance.now());
  if (timeout <= 0) {
    const text = `grpc: ${what}: the deadline passed before the call was sent`;
    throw new BindingError("deadline_exceeded", text, { effect: "unsent" });
  }
  const limited = Number.isFinite(timeout) ? { timeout: Math.max(1, Math.round(timeout)) } : {};
  const options = { headers, signal, waitForConnection: true, ...limited };
  return { name, what, path: `/${what}`, method, message, options };
}

async function unary(
  connection: GrpcConnection,
  { metadata, signal }: AnyCall,
  prepared: Prepared,
): Promise<Answer> {
  const { path, message, options, method } = prepared;
  const result = await connection.client.unary(path, message, options);
  if (result.kind !== "ok") {
    const failure = result.kind === "failed" ? result.failure : CallFailure.from(result);
    throw failed(failure, connection, prepared);
  }
  const text = await connection.withTypes(
    (registry) => decodeAnswer(method.output, result.message, registry, metadata),
    signal,
  );
  return { data: Buffer.from(text), metadata: answerMetadata(result.headers, result.trailers) };
}

async function gathered(
  connection: GrpcConnection,
  call: AnyCall,
  prepared: Prepared,
  memory: MemoryShare,
): Promise<Answer> {
  const { maxResponseBodySize: limit } = call.metadata;
  const stream = openStream(connection, prepared);
  const room = memory.open(assuredBytes);
  const parts = new ByteParts();
  const add = (text: string): void => {
    const bytes = Buffer.from(text);
    const tooLarge = parts.size + bytes.length > limit;
    if (!tooLarge && room.reserve(bytes.length)) return parts.add(bytes);
    const why = tooLarge
      ? `the answer is larger than maxResponseBodySize, ${limit} bytes; ask for it as a stream`
      : noRoom;
    const options = { effect: "ambiguous" } as const;
    throw new BindingError("resource_exhausted", `grpc: ${prepared.what}: ${why}`, options);
  };
  try {
    let separator = "[";
    for await (const text of messages(connection, call, prepared, stream)) {
      add(separator + text);
      separator = ",";
    }
    add(separator === "[" ? "[]" : "]");
    const metadata = answerMetadata(await stream.headers, stream.trailers);
    return { data: parts.whole(), metadata };
  } finally {
    parts.clear();
    room.release();
  }
}

async function* lines(
  connection: GrpcConnection,
  call: AnyCall,
  prepared: Prepared,
  stream: GrpcStream,
): AsyncGenerator<Uint8Array> {
  for await (const text of messages(connection, call, prepared, stream))
    yield Buffer.from(`${text}\n`);
}

/** The messages of an answer as JSON. Leaving the loop early cancels the call. */
async function* messages(
  connection: GrpcConnection,
  { metadata, signal }: AnyCall,
  prepared: Prepared,
  stream: GrpcStream,
): AsyncGenerator<string> {
  let begun = false;
  try {
    for await (const message of stream.messages) {
      begun = true;
      yield await connection.withTypes(
        (registry: Registry) => decodeAnswer(prepared.method.output, message, registry, metadata),
        signal,
      );
    }
  } catch (error) {
    throw failed(error, connection, prepared, begun);
  }
}

function openStream(connection: GrpcConnection, { path, message, options }: Prepared): GrpcStream {
  return connection.client.stream(path, one(message), options);
}

async function* one(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message;
}

async function headersOf(connection: GrpcConnection, stream: GrpcStream, prepared: Prepared) {
  try {
    return await stream.headers;
  } catch (error) {
    throw failed(error, connection, prepared);
  }
}

function failed(
  error: unknown,
  connection: GrpcConnection,
  { what }: Prepared,
  begun = false,
): BindingError {
  const failure = failureOf(error, what, connection.registry, begun);
  // The server may have another version of the service than the one that was described.
  const isUnknown = error instanceof CallFailure && error.code === Code.unimplemented;
  if (isUnknown && error.kind === "failed") connection.forget();
  return failure;
}

/** A request is one message, which is encoded as a whole. */
async function wholeBody(
  body: AsyncIterable<Uint8Array>,
  memory: MemoryShare,
): Promise<Uint8Array> {
  const room = memory.open(assuredBytes);
  const parts = new ByteParts();
  try {
    for await (const part of body) {
      if (!room.reserve(part.length))
        throw new BindingError("resource_exhausted", `grpc: ${noRoom}`, { effect: "unsent" });
      parts.add(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    }
    return parts.whole();
  } finally {
    parts.clear();
    room.release();
  }
}

import { AsyncLocalStorage } from "node:async_hooks";
import {
  create,
  createRegistry,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createConnectRouter,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import type {
  Compression,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { callOverhead } from "../grpc/call-memory.ts";
import { toGrpcFailure } from "../grpc/failure.ts";
import { addResponseHeaders } from "../grpc/handler-context.ts";
import type { CallContext, StreamMethod } from "../grpc/method.ts";
import { RecordHead, type RequestHead } from "../grpc/request-head.ts";
import { methodPath, type Service } from "../grpc/service.ts";
import { formatGrpcTimeout, longestTimer, parseGrpcTimeout } from "../grpc/timeout.ts";
import { whenUnpacking } from "../grpc/unpacking.ts";
import type { MemoryShare, Reservation } from "../memory/budget.ts";
import { abortable } from "../abortable.ts";
import { countedAnswer, countedBody, noRoomError } from "./counted-body.ts";
import { brotliCompression, gzipCompression } from "./compression.ts";
import { isStreamed, pathOf, type HttpExchange } from "./http-exchange.ts";
import { namingLimitFlag } from "./limit-text.ts";
import { RequestBody } from "./request-body.ts";
import { utf8Body } from "./utf8-body.ts";

export type ConnectOptions = {
  readonly services: readonly Service[];
  /** What stands before the paths of methods. */
  readonly prefix: string;
  /** The check of the fast path: throws a `GrpcFailure` to refuse a call. */
  readonly admit: (head: RequestHead) => void;
  /** The largest request message, in bytes. */
  readonly maxMessageSize: number;
  /** The largest answer message, in bytes. */
  readonly maxAnswerSize: number;
  /** The flag by which a person sets these limits, named in the errors. */
  readonly limitFlag?: string | undefined;
};

/** Answers a request, which counts in the memory of its listener. */
export type ConnectHandler = (exchange: HttpExchange, memory: MemoryShare) => void;

/**
 * Everything that the fast path does not take: the Connect protocol, gRPC-Web, JSON and GET. In a file of its
 * own because it is loaded at the first such request.
 */
export function connectHandler(options: ConnectOptions): ConnectHandler {
  const { services, prefix, admit, maxMessageSize, maxAnswerSize, limitFlag } = options;
  const router = createConnectRouter({
    acceptCompression: [counted(gzipCompression), counted(brotliCompression)],
    readMaxBytes: maxMessageSize,
    writeMaxBytes: maxAnswerSize,
    // A status within a message has details, and services may have an `Any` of their own: JSON spells them out.
    jsonOptions: {
      registry: createRegistry(detailTypes, ...services.map(({ desc }) => desc.file)),
    },
    requestGate({ requestHeader, method }) {
      try {
        admit(
          new RecordHead({ ...Object.fromEntries(requestHeader), ":path": methodPath(method) }),
        );
      } catch (error) {
        throw toConnectError(error);
      }
    },
    interceptors: [translateErrors],
  });
  for (const service of services) router.service(service.desc, implementationOf(service));
  const handlers = new Map(
    router.handlers.map((handler) => [prefix + handler.requestPath, handler]),
  );
  return (...call) => void answer(...call);

  async function answer(exchange: HttpExchange, share: MemoryShare): Promise<void> {
    const handler = handlers.get(pathOf(exchange.target));
    if (handler === undefined) return exchange.answer(404);
    const memory = share.open();
    const isRefused = !memory.reserve(callOverhead);
    exchange.onClosed(() => memory.release());
    let asked;
    try {
      asked = requestOf(exchange);
    } catch {
      // Its `Host` makes no URL, or it has a header that Connect cannot hold.
      return exchange.answer(400);
    }
    holdTimeouts(asked.header);
    // Connect would make room for as much as is announced, before any of it has come.
    const streamed = isStreamed(exchange);
    if (!streamed) asked.header.delete("content-length");
    const { methodKind } = handler.method;
    const isKept = methodKind === "unary" || methodKind === "server_streaming";
    const counted = countedBody(new RequestBody(exchange), {
      ...{ memory, isKept, limit: maxMessageSize, isStreamed: streamed, isRefused },
      // The rest is watched by its connection.
      isWatched: exchange.isHttp2 || streamed,
    });
    const body = isPlainJson(exchange) ? utf8Body(counted, maxMessageSize) : counted;
    try {
      const answered = await unpackedInto.run(isKept ? memory : undefined, () =>
        handler({ ...asked, body }),
      );
      const named = limitFlag === undefined ? answered : await namingLimitFlag(answered, limitFlag);
      await respond(exchange, named, memory);
    } catch {
      // What Connect fails to answer would never be.
      if (exchange.isClosed || exchange.headersSent) exchange.abort();
      else exchange.answer(500);
    }
  }
}

/** Without its body. Throws a `TypeError` for what makes no URL or no `Headers`. */
function requestOf(exchange: HttpExchange): Omit<UniversalServerRequest, "body"> {
  const { method, target, record, isHttp2, isSecure } = exchange;
  const authority = exchange.get(":authority") ?? exchange.get("host") ?? "";
  const header = new Headers();
  for (const [name, value] of Object.entries(record)) {
    if (value === undefined || name.startsWith(":")) continue;
    if (typeof value === "string") header.append(name, value);
    else for (const one of value) header.append(name, one);
  }
  const closed = new AbortController();
  exchange.onClosed(() => closed.abort(new ConnectError("cancelled by the caller", Code.Canceled)));
  return {
    httpVersion: isHttp2 ? "2.0" : "1.1",
    url: new URL(target, `${isSecure ? "https" : "http"}://${authority}`).toString(),
    ...{ method, header, signal: closed.signal },
  };
}

/**
 * Answers as Connect says, and takes no more of it than is read. Its parts count in the memory until they are written.
 * Resolves once all is given, or nobody is there any more.
 */
async function respond(
  exchange: HttpExchange,
  { status, header, body, trailer }: UniversalServerResponse,
  memory: Reservation,
): Promise<void> {
  const parts = body === undefined ? undefined : countedAnswer(body, memory);
  // The first part goes before the headers, which its method may still change.
  let part = await parts?.next();
  for (const [name, value] of headersOf(header)) exchange.setHeader(name, value);
  exchange.begin(status);
  for (; part !== undefined && part.done !== true; part = await parts?.next()) {
    if (!exchange.write(part.value)) await exchange.whenDrained();
    if (!exchange.isClosed) continue;
    // Its method is told in the middle of it that nobody reads on.
    await parts?.throw(new ConnectError("cancelled by the caller", Code.Canceled));
    return;
  }
  exchange.end(headersOf(trailer).flat(2));
}

/** Names and values; repeats of `set-cookie` are several, of others one. */
function headersOf(headers: Headers | undefined): [name: string, value: string][] {
  return headers === undefined ? [] : [...headers];
}

/** A unary call in JSON that is not compressed. */
function isPlainJson(request: HttpExchange): boolean {
  const type = request.get("content-type") ?? "";
  const encoding = request.get("content-encoding") ?? "identity";
  return /^application\/json\s*(?:;|$)/i.test(type) && encoding === "identity";
}

/** Where the bytes of a compressed message count that is kept until its call ends. */
const unpackedInto = new AsyncLocalStorage<Reservation | undefined>();

/** Unpacks few messages at one time, and none for which there is no room. */
function counted(compression: Compression): Compression {
  return {
    ...compression,
    async decompress(bytes, limit) {
      const unpacked = await whenUnpacking(() => compression.decompress(bytes, limit));
      const memory = unpackedInto.getStore();
      if (memory?.reserve(unpacked.length) === false) throw noRoomError();
      return unpacked;
    },
  };
}

/** Connect gives a deadline to a timer as it comes; one that no timer can hold would have passed at once. */
function holdTimeouts(header: Headers): void {
  const grpc = header.get("grpc-timeout");
  if (grpc !== null && (parseGrpcTimeout(grpc) ?? 0) > longestTimer) {
    // It is written in whole seconds, rounded up.
    header.set("grpc-timeout", formatGrpcTimeout(longestTimer - 1000));
  }
  const connect = header.get("connect-timeout-ms");
  if (connect !== null && /^\d+$/.test(connect) && Number(connect) > longestTimer)
    header.set("connect-timeout-ms", String(longestTimer));
}

const detailTypes = createRegistry(ErrorInfoSchema, RetryInfoSchema);

/**
 * What methods throw, as the fast path would understand it. As there, the caller's deadline ends the call whether
 * the method looks at it or not: Connect itself only tells the method.
 */
const translateErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await abortable(next(request), request.signal);
    return response.stream ? { ...response, message: translated(response.message) } : response;
  } catch (error) {
    throw toConnectError(error);
  }
};

async function* translated(messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw toConnectError(error);
  }
}

function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const failure = toGrpcFailure(error);
  const metadata = new Headers();
  for (const [name, value] of Object.entries(failure.metadata ?? {})) {
    for (const one of [value].flat()) metadata.append(name, one);
  }
  // Connect escapes the text by a function that throws for half a character.
  const message = failure.message.toWellFormed();
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- both count as gRPC does
  const result = new ConnectError(message, failure.code, metadata);
  if (failure.details !== undefined) {
    const { details } = fromBinary(StatusSchema, failure.details);
    result.details = details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
  }
  return result;
}

function implementationOf({ desc, impl, raw }: Service): Service["impl"] {
  const methods: Record<string, unknown> = {};
  const impls: Readonly<Record<string, unknown>> = impl;
  for (const method of desc.methods) {
    const bytes = raw[method.localName];
    const own = impls[method.localName];
    if (bytes !== undefined) methods[method.localName] = decoded(method, bytes);
    else if (typeof own === "function") methods[method.localName] = own.bind(impl);
  }
  return methods as Partial<ServiceImpl<Service["desc"]>>;
}

type Bidirectional = (
  requests: AsyncIterable<Message>,
  context: HandlerContext,
) => AsyncIterable<MessageInitShape<DescMessage>>;

/** A method on encoded messages as one on messages. */
function decoded({ input, output }: DescMethod, method: StreamMethod): Bidirectional {
  async function* encoded(requests: AsyncIterable<Message>): AsyncGenerator<Uint8Array> {
    for await (const request of requests) yield toBinary(input, create(input, request));
  }
  return async function* (requests, context) {
    for await (const answer of method(encoded(requests), callOf(context)))
      yield fromBinary(output, answer);
  };
}

/** The fast path's view of a call that Connect serves. */
function callOf(context: HandlerContext): CallContext {
  const left = context.timeoutMs();
  return {
    head: new RecordHead(Object.fromEntries(context.requestHeader)),
    signal: context.signal,
    deadline: left === undefined ? undefined : performance.now() + left,
    setHeaders: (headers) => addResponseHeaders(context, headers),
    setTrailers(trailers) {
      for (const [name, value] of Object.entries(trailers)) {
        for (const one of [value].flat()) context.responseTrailer.append(name, one);
      }
    },
    // What comes is counted by the message.
    reserve() {},
    // Connect sends them with the first message.
    sendHeaders() {},
  };
}

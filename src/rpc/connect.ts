import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingHttpHeaders } from "node:http2";
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
import type { Compression } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { callOverhead } from "../grpc/call-memory.ts";
import { toGrpcFailure } from "../grpc/failure.ts";
import { addResponseHeaders } from "../grpc/handler-context.ts";
import type { CallContext, StreamMethod } from "../grpc/method.ts";
import { methodPath, type Service } from "../grpc/service.ts";
import { formatGrpcTimeout, longestTimer, parseGrpcTimeout } from "../grpc/timeout.ts";
import { whenUnpacking } from "../grpc/unpacking.ts";
import type { MemoryShare, Reservation } from "../memory/budget.ts";
import { abortable } from "../abortable.ts";
import { countedAnswer, countedBody, noRoomError } from "./counted-body.ts";
import { isStreamed, type HttpRequest, type HttpResponse } from "./http-message.ts";
import { namingLimitFlag } from "./limit-text.ts";
import { utf8Body } from "./utf8-body.ts";

export type ConnectOptions = {
  readonly services: readonly Service[];
  /** The check of the fast path: throws a `GrpcFailure` to refuse a call. */
  readonly admit: (headers: IncomingHttpHeaders) => void;
  /** The largest request message, in bytes. */
  readonly maxMessageSize: number;
  /** The largest answer message, in bytes. */
  readonly maxAnswerSize: number;
  /** The flag by which a person sets these limits, named in the errors. */
  readonly limitFlag?: string | undefined;
};

/** Answers a request, which counts in the memory of its listener. */
export type ConnectHandler = (
  request: HttpRequest,
  response: HttpResponse,
  memory: MemoryShare,
) => void;

/**
 * Everything that the fast path does not take: the Connect protocol, gRPC-Web, JSON and GET. In a file of its
 * own because it is loaded at the first such request.
 */
export function connectHandler(options: ConnectOptions): ConnectHandler {
  const { services, admit, maxMessageSize, maxAnswerSize, limitFlag } = options;
  const router = createConnectRouter({
    acceptCompression: [counted(compressionGzip), counted(compressionBrotli)],
    readMaxBytes: maxMessageSize,
    writeMaxBytes: maxAnswerSize,
    // A status within a message has details, and services may have an `Any` of their own: JSON spells them out.
    jsonOptions: {
      registry: createRegistry(detailTypes, ...services.map(({ desc }) => desc.file)),
    },
    requestGate({ requestHeader, method }) {
      try {
        admit({ ...Object.fromEntries(requestHeader), ":path": methodPath(method) });
      } catch (error) {
        throw toConnectError(error);
      }
    },
    interceptors: [translateErrors],
  });
  for (const service of services) router.service(service.desc, implementationOf(service));
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (...call) => void answer(...call);

  async function answer(...[request, response, share]: Parameters<ConnectHandler>): Promise<void> {
    const handler = handlers.get((request.url ?? "").split("?", 1)[0] ?? "");
    if (handler === undefined) return answerNothing(response, 404);
    holdTimeouts(request);
    const memory = share.open();
    const isRefused = !memory.reserve(callOverhead);
    const emitter: NodeJS.EventEmitter = response;
    emitter.once("close", () => memory.release());
    let asked;
    try {
      asked = universalRequestFromNodeRequest(request, response, undefined, undefined);
    } catch {
      // Its `Host` makes no URL.
      return answerNothing(response, 400);
    }
    // Connect would make room for as much as is announced, before any of it has come.
    if (!isStreamed(request)) asked.header.delete("content-length");
    const { methodKind } = handler.method;
    const isKept = methodKind === "unary" || methodKind === "server_streaming";
    const options = { memory, isKept, limit: maxMessageSize, isStreamed: isStreamed(request) };
    const sent = asked.body as AsyncIterable<Uint8Array>;
    const counted = countedBody(sent, {
      ...{ ...options, isRefused },
      // The rest is watched by its connection.
      isWatched: request.httpVersionMajor >= 2 || options.isStreamed,
    });
    const body = isPlainJson(request) ? utf8Body(counted, maxMessageSize) : counted;
    try {
      const answered = await unpackedInto.run(isKept ? memory : undefined, () =>
        handler({ ...asked, body }),
      );
      const { body: answer, ...head } =
        limitFlag === undefined ? answered : await namingLimitFlag(answered, limitFlag);
      await universalResponseToNodeResponse(
        answer === undefined ? head : { ...head, body: countedAnswer(answer, memory) },
        response,
      );
    } catch (error) {
      // What Connect fails to answer would never be. Of a caller that has gone it is no failure.
      if (ConnectError.from(error).code !== Code.Aborted) answerNothing(response, 500);
    }
  }
}

/** A unary call in JSON that is not compressed. */
function isPlainJson({ headers }: HttpRequest): boolean {
  const { "content-type": type = "", "content-encoding": encoding = "identity" } = headers;
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

function answerNothing(response: HttpResponse, status: number): void {
  if (response.headersSent) return void response.destroy();
  response.statusCode = status;
  response.end();
}

/** Connect gives a deadline to a timer as it comes; one that no timer can hold would have passed at once. */
function holdTimeouts({ headers }: HttpRequest): void {
  const grpc = headers["grpc-timeout"];
  if (typeof grpc === "string" && (parseGrpcTimeout(grpc) ?? 0) > longestTimer) {
    // It is written in whole seconds, rounded up.
    headers["grpc-timeout"] = formatGrpcTimeout(longestTimer - 1000);
  }
  const connect = headers["connect-timeout-ms"];
  if (typeof connect === "string" && /^\d+$/.test(connect) && Number(connect) > longestTimer)
    headers["connect-timeout-ms"] = String(longestTimer);
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
    headers: Object.fromEntries(context.requestHeader),
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

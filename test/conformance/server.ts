// The server under test: serves the conformance service as the daemon serves its own, gRPC by the fast path
// and the rest by Connect.
import { setTimeout as pause } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";
import type { AddressInfo, Server } from "node:net";
import { create, type DescService, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { createService } from "../../src/grpc/service.ts";
import { createRpcHandlers } from "../../src/server/rpc-handlers.ts";
import { bind, listen } from "../../src/server/listener.ts";
import type { ProtocolServers } from "../../src/server/protocols.ts";
import { protocolsOf } from "../server/protocols-of.ts";
import {
  type ConformanceError,
  type Header,
  protocolOfArguments,
  type ServerCompatRequest,
  toHeaderList,
} from "./protocol.ts";

/** What a request says about its answer; some of it only in unary or only in streaming methods. */
type Definition = {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
  readonly response?:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: ConformanceError }
    | { readonly case: undefined };
  readonly responseData?: readonly Uint8Array[];
  readonly error?: ConformanceError;
};

type Request = Message & {
  readonly responseDefinition?: Definition;
  readonly fullDuplex?: boolean;
};

const protocol = protocolOfArguments();
const requestInfo = protocol
  .message("ConformancePayload")
  .nestedMessages.find(({ name }) => name === "RequestInfo")!;
const noLimit = 256 * 1024 * 1024;

const methods = {
  unary: answerOnce,
  idempotentUnary: (request: Message, context: HandlerContext) => answerOnce(request, context),
  async clientStream(requests: AsyncIterable<Message>, context: HandlerContext): Promise<Message> {
    const received: Message[] = [];
    for await (const request of requests) received.push(request);
    return answer(received, context);
  },
  async *serverStream(request: Message, context: HandlerContext): AsyncGenerator<Message> {
    yield* answerAll([request], context, undefined);
  },
  async *bidiStream(
    requests: AsyncIterable<Message>,
    context: HandlerContext,
  ): AsyncGenerator<Message> {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done === true) return;
    if ((first.value as Request).fullDuplex === true) {
      yield* answerAll([first.value], context, iterator);
      return;
    }
    const received = [first.value];
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      received.push(next.value);
    }
    yield* answerAll(received, context, undefined);
  },
};

async function answerOnce(request: Message, context: HandlerContext): Promise<Message> {
  return answer([request], context);
}

/** The one answer of a method, or its error. */
async function answer(requests: readonly Request[], context: HandlerContext): Promise<Message> {
  const definition = requests[0]?.responseDefinition;
  const info = infoOf(requests, context);
  setMetadata(definition, context);
  if (definition !== undefined) await pause(definition.responseDelayMs);
  const response = definition?.response;
  if (response?.case === "error") throw errorOf(response.value, info);
  const data = response?.case === "responseData" ? response.value : new Uint8Array();
  return answerMessage(context, { data, requestInfo: info });
}

/** The answers of a streaming method; `more`: one more request is awaited before each answer but the first. */
async function* answerAll(
  requests: readonly Request[],
  context: HandlerContext,
  more: AsyncIterator<Message> | undefined,
): AsyncGenerator<Message> {
  const definition = requests[0]?.responseDefinition;
  if (definition === undefined) return;
  setMetadata(definition, context);
  let info: Message | undefined = infoOf(requests, context);
  let answered = 0;
  for (const data of definition.responseData ?? []) {
    if (more !== undefined && answered > 0) {
      const next = await more.next();
      if (next.done === true) break;
      info = protocolInfo({ requests: [pack(next.value)] });
    }
    await pause(definition.responseDelayMs);
    yield answerMessage(context, { data, ...(info !== undefined && { requestInfo: info }) });
    info = undefined;
    answered += 1;
  }
  if (definition.error !== undefined)
    throw errorOf(definition.error, answered === 0 ? info : undefined);
  if (more === undefined) return;
  // The client has more to say than it wants to hear.
  for (let next = await more.next(); next.done !== true; next = await more.next());
}

function answerMessage(context: HandlerContext, payload: Record<string, unknown>): Message {
  const fields = { payload: protocol.create("ConformancePayload", payload) };
  return create(context.method.output, fields);
}

function infoOf(requests: readonly Message[], context: HandlerContext): Message {
  const left = context.timeoutMs();
  const { searchParams } = new URL(context.url, "http://127.0.0.1");
  const queryParams = [...searchParams].map(([name, value]) => ({ name, value: [value] }));
  return protocolInfo({
    requestHeaders: toHeaderList(context.requestHeader),
    requests: requests.map(pack),
    ...(left !== undefined && { timeoutMs: BigInt(Math.round(left)) }),
    ...(context.requestMethod === "GET" && { connectGetInfo: { queryParams } }),
  });
}

function protocolInfo(fields: Record<string, unknown>): Message {
  return create(requestInfo, fields);
}

function pack(message: Message): Any {
  const schema = protocol.registry.getMessage(message.$typeName);
  if (schema === undefined) throw new Error(`${message.$typeName} is not known`);
  return anyPack(schema, message);
}

function setMetadata(definition: Definition | undefined, context: HandlerContext): void {
  for (const { name, value } of definition?.responseHeaders ?? []) {
    for (const one of value) context.responseHeader.append(name, one);
  }
  for (const { name, value } of definition?.responseTrailers ?? []) {
    for (const one of value) context.responseTrailer.append(name, one);
  }
}

function errorOf({ code, message, details }: ConformanceError, info: Message | undefined): Error {
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- both count as gRPC does
  const error = new ConnectError(message ?? "", code);
  const all = info === undefined ? details : [...details, pack(info)];
  error.details = all.map(({ typeUrl, value }) => ({
    type: typeUrl.replace(/^.*\//, ""),
    value: new Uint8Array(value),
  }));
  return error;
}

async function serve({
  useTls,
  serverCreds,
  messageReceiveLimit,
}: ServerCompatRequest): Promise<void> {
  const impl = methods as unknown as Partial<ServiceImpl<DescService>>;
  const lanes = createRpcHandlers({
    services: [createService(protocol.service, impl)],
    maxMessageSize: messageReceiveLimit === 0 ? noLimit : messageReceiveLimit,
    maxAnswerSize: noLimit,
    compressMinBytes: 0,
  });
  const protocols = protocolsOf(lanes);
  const address = { host: "127.0.0.1", port: 0 };
  const server =
    useTls && serverCreds !== undefined
      ? await listenTls(address, serverCreds, protocols)
      : await listen(address, protocols);
  const { port } = server.address() as AddressInfo;
  const pemCert = useTls ? serverCreds?.cert : undefined;
  protocol.write("ServerCompatResponse", {
    host: address.host,
    port,
    ...(pemCert !== undefined && { pemCert }),
  });
}

async function listenTls(
  address: { host: string; port: number },
  { cert, key }: { cert: Uint8Array; key: Uint8Array },
  protocols: ProtocolServers,
): Promise<Server> {
  const credentials = { cert: Buffer.from(cert), key: Buffer.from(key) };
  const server = createTlsServer(
    { ...credentials, ALPNProtocols: ["h2", "http/1.1"] },
    (socket) => {
      if (socket.alpnProtocol === "h2") protocols.acceptHttp2(socket);
      else protocols.acceptHttp1(socket);
    },
  );
  server.on("tlsClientError", (_, socket) => socket.destroy());
  await bind(server, address);
  return server;
}

for await (const request of protocol.read<ServerCompatRequest>("ServerCompatRequest")) {
  await serve(request);
}

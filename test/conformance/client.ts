// The client under test: makes the calls that the runner asks for over the native transport.
import { setTimeout as pause } from "node:timers/promises";
import type { Message } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, type GrpcTransport } from "../../src/grpc/transport.ts";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  gzip,
  protocolOfArguments,
  streamTypes,
  toHeaderList,
} from "./protocol.ts";

type Unary = (request: Message, options: CallOptions) => Promise<Message>;
type ServerStreaming = (request: Message, options: CallOptions) => AsyncIterable<Message>;
type ClientStreaming = (requests: AsyncIterable<Message>, options: CallOptions) => Promise<Message>;
type Bidirectional = (
  requests: AsyncIterable<Message>,
  options: CallOptions,
) => AsyncIterable<Message>;
type Method = Unary & ServerStreaming & ClientStreaming & Bidirectional;

const protocol = protocolOfArguments();
const transports = new Map<string, GrpcTransport>();

/** One transport for each kind of server, so that calls share their connections. */
function transportFor(request: ClientCompatRequest): GrpcTransport {
  const { host, port, serverTlsCert, clientTlsCreds, messageReceiveLimit, compression } = request;
  const key = JSON.stringify([
    ...[host, port, messageReceiveLimit, compression],
    Buffer.from(serverTlsCert).toString("base64"),
    Buffer.from(clientTlsCreds?.cert ?? []).toString("base64"),
  ]);
  const known = transports.get(key);
  if (known !== undefined) return known;
  const secure = serverTlsCert.length > 0;
  const transport = createGrpcTransport({
    baseUrl: `${secure ? "https" : "http"}://${host}:${port}`,
    compress: compression === gzip,
    ...(messageReceiveLimit > 0 && { readMaxBytes: messageReceiveLimit }),
    ...(secure && {
      tls: {
        verify: true,
        ca: Buffer.from(serverTlsCert),
        ...(clientTlsCreds !== undefined && {
          cert: Buffer.from(clientTlsCreds.cert),
          key: Buffer.from(clientTlsCreds.key),
        }),
      },
    }),
  });
  transports.set(key, transport);
  return transport;
}

/** One call with all that it has brought so far. */
class Run {
  readonly result: ClientResponseResult = {
    responseHeaders: [],
    responseTrailers: [],
    payloads: [],
    numUnsentRequests: 0,
  };
  readonly #request: ClientCompatRequest;
  readonly #controller = new AbortController();
  readonly #messages: readonly Message[];
  #sent = 0;
  /** Wakes the sender of a full-duplex stream. */
  #answered = Promise.withResolvers<void>();

  constructor(request: ClientCompatRequest) {
    this.#request = request;
    this.#messages = request.requestMessages.map((one) => unpack(one));
  }

  async make(): Promise<void> {
    const { result } = this;
    try {
      await this.#call();
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      // Of a call that failed at once, Connect tells headers and trailers together.
      if (result.responseHeaders.length === 0) {
        result.responseHeaders = toHeaderList(error.metadata);
      }
      result.responseTrailers = toHeaderList(error.metadata);
      result.error = {
        code: error.code,
        message: error.rawMessage,
        details: error.details.flatMap((detail) =>
          "type" in detail
            ? [{ typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }]
            : [],
        ),
      };
      result.numUnsentRequests = this.#messages.length - this.#sent;
    } finally {
      this.#answered.resolve();
    }
  }

  async #call(): Promise<void> {
    const { streamType, method = "", requestHeaders, timeoutMs } = this.#request;
    const options: CallOptions = {
      signal: this.#controller.signal,
      headers: requestHeaders.flatMap(({ name, value }) =>
        value.map((one): [string, string] => [name, one]),
      ),
      onHeader: (headers) => {
        this.result.responseHeaders = toHeaderList(headers);
      },
      onTrailer: (trailers) => {
        this.result.responseTrailers = toHeaderList(trailers);
      },
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const client = createClient(protocol.service, transportFor(this.#request));
    const name = method.charAt(0).toLowerCase() + method.slice(1);
    const call = (client as unknown as Record<string, Method>)[name];
    if (call === undefined) throw new Error(`there is no method ${method}`);
    switch (streamType) {
      case streamTypes.unary:
        return this.#keep(await this.#closed(() => (call as Unary)(this.#only(), options)));
      case streamTypes.serverStream:
        return this.#readAll(this.#closed(() => (call as ServerStreaming)(this.#only(), options)));
      case streamTypes.clientStream:
        return this.#keep(await (call as ClientStreaming)(this.#requests(false), options));
      default: {
        const fullDuplex = streamType === streamTypes.fullDuplexBidi;
        return this.#readAll((call as Bidirectional)(this.#requests(fullDuplex), options));
      }
    }
  }

  #only(): Message {
    const [message] = this.#messages;
    if (message === undefined) throw new Error("a message is missing");
    this.#sent = 1;
    return message;
  }

  /** Makes a call whose requests are complete from the start. */
  #closed<T>(call: () => T): T {
    const result = call();
    this.#cancelAfterClose();
    return result;
  }

  async *#requests(fullDuplex: boolean): AsyncGenerator<Message> {
    for (const message of this.#messages) {
      await pause(this.#request.requestDelayMs);
      this.#answered = Promise.withResolvers();
      this.#sent += 1;
      yield message;
      if (fullDuplex) await this.#answered.promise;
    }
    if (this.#request.cancel?.cancelTiming.case === "beforeCloseSend") {
      this.#controller.abort();
      await new Promise(() => {});
    }
    this.#cancelAfterClose();
  }

  #cancelAfterClose(): void {
    const { cancel } = this.#request;
    if (cancel === undefined) return;
    const { cancelTiming } = cancel;
    if (cancelTiming.case === undefined) setImmediate(() => this.#controller.abort());
    if (cancelTiming.case === "afterCloseSendMs") {
      setTimeout(() => this.#controller.abort(), cancelTiming.value);
    }
  }

  async #readAll(responses: AsyncIterable<Message>): Promise<void> {
    for await (const response of responses) {
      this.#keep(response);
      this.#answered.resolve();
      const timing = this.#request.cancel?.cancelTiming;
      if (timing?.case !== "afterNumResponses") continue;
      if (this.result.payloads.length === timing.value) this.#controller.abort();
    }
  }

  #keep(response: Message): void {
    const { payload } = response as Message & { payload?: Message };
    this.result.payloads.push(payload ?? protocol.create("ConformancePayload"));
  }
}

function unpack(any: Any): Message {
  const message = anyUnpack(any, protocol.registry);
  if (message === undefined) throw new Error(`${any.typeUrl} is not known`);
  return message;
}

async function make(request: ClientCompatRequest): Promise<void> {
  const { testName } = request;
  try {
    const run = new Run(request);
    await run.make();
    const result = { case: "response", value: run.result };
    protocol.write("ClientCompatResponse", { testName, result });
  } catch (error) {
    const result = { case: "error", value: { message: String(error) } };
    protocol.write("ClientCompatResponse", { testName, result });
  }
}

// So few that a busy machine's delays are not taken for the client's.
const atATime = 16;
const requests = protocol.read<ClientCompatRequest>("ClientCompatRequest");
await Promise.all(
  Array.from({ length: atATime }, async () => {
    for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
      await make(next.value);
    }
  }),
);
await Promise.all([...transports.values()].map((transport) => transport.close()));

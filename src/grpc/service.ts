import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { GrpcContext } from "./handler-context.ts";
import type { GrpcMethod, StreamMethod } from "./method.ts";
import { Code, GrpcFailure } from "./status.ts";

/** Methods of a service on encoded messages, by the names that generated code gives them. */
export type RawMethods<Desc extends DescService> = {
  readonly [Name in keyof Desc["method"]]?: StreamMethod;
};

/** What encodes the answers of unary methods instead of the library, by the names that generated code gives these. */
export type Encoders<Desc extends DescService> = {
  readonly [Name in keyof Desc["method"]]?: (
    answer: MessageInitShape<Desc["method"][Name]["output"]>,
  ) => Uint8Array;
};

/** A service and what implements it, to be served by any lane. */
export type Service = {
  readonly desc: DescService;
  readonly impl: Partial<ServiceImpl<DescService>>;
  /** These go before those of `impl`. */
  readonly raw: Readonly<Record<string, StreamMethod | undefined>>;
  readonly encoders: Readonly<Record<string, Encode | undefined>>;
};

type Encode = (answer: Answer) => Uint8Array;

/**
 * Puts a service together. `raw` may hold streams that encode their messages themselves, which pays where
 * each message carries hundreds of events. A method in neither is UNIMPLEMENTED. `encoders` pay for answers that are many
 * and simple.
 */
export function createService<Desc extends DescService>(
  desc: Desc,
  impl: Partial<ServiceImpl<Desc>>,
  raw: RawMethods<Desc> = {},
  encoders: Encoders<Desc> = {},
): Service {
  const own = encoders as unknown as Service["encoders"];
  return { desc, impl, raw: raw as Service["raw"], encoders: own };
}

/** The path by which a method is called. */
export function methodPath(desc: { readonly parent: DescService; readonly name: string }): string {
  return `/${desc.parent.typeName}/${desc.name}`;
}

/** The methods of a service that are implemented, by path, for a `GrpcServer`. */
export function methodsOf(service: Service): Map<string, GrpcMethod> {
  const methods = new Map<string, GrpcMethod>();
  const impls: Readonly<Record<string, unknown>> = service.impl;
  for (const desc of service.desc.methods) {
    const raw = service.raw[desc.localName];
    const impl = impls[desc.localName];
    if (raw !== undefined) methods.set(methodPath(desc), { kind: "stream", handle: raw });
    else if (typeof impl === "function") {
      const { output } = desc;
      const encode =
        service.encoders[desc.localName] ?? ((answer) => toBinary(output, create(output, answer)));
      methods.set(methodPath(desc), bind(desc, impl.bind(service.impl), encode));
    }
  }
  return methods;
}

type Answer = MessageInitShape<DescMessage>;
type Unary = (request: Message, context: HandlerContext) => Promise<Answer> | Answer;
type ServerStreaming = (request: Message, context: HandlerContext) => AsyncIterable<Answer>;
type ClientStreaming = (
  requests: AsyncIterable<Message>,
  context: HandlerContext,
) => Promise<Answer>;
type Bidirectional = (
  requests: AsyncIterable<Message>,
  context: HandlerContext,
) => AsyncIterable<Answer>;

/** `impl`: of the kind that the method's descriptor says. */
function bind(desc: DescMethod, impl: unknown, encode: Encode): GrpcMethod {
  const { input } = desc;
  switch (desc.methodKind) {
    case "unary":
      return unary(desc, impl as Unary, encode);
    case "server_streaming":
      return stream(desc, async function* (requests, context) {
        const bytes = await only(requests);
        context.call.reserve(bytes.length);
        const request = decode(input, bytes);
        yield* map((impl as ServerStreaming)(request, context), encode);
      });
    case "client_streaming":
      return stream(desc, async function* (requests, context) {
        const messages = map(requests, (bytes) => decode(input, bytes));
        yield encode(await (impl as ClientStreaming)(messages, context));
      });
    case "bidi_streaming":
      return stream(desc, (requests, context) => {
        const messages = map(requests, (bytes) => decode(input, bytes));
        return map((impl as Bidirectional)(messages, context), encode);
      });
  }
}

function unary(desc: DescMethod, impl: Unary, encode: Encode): GrpcMethod {
  const { input } = desc;
  return {
    kind: "unary",
    async handle(bytes, call) {
      const context = new GrpcContext(desc, call);
      try {
        const answer = await impl(decode(input, bytes), context);
        return encode(answer);
      } finally {
        context.settle();
      }
    },
  };
}

function stream(
  desc: DescMethod,
  handle: (requests: AsyncIterable<Uint8Array>, context: GrpcContext) => AsyncIterable<Uint8Array>,
): GrpcMethod {
  return {
    kind: "stream",
    handle(requests, call) {
      const context = new GrpcContext(desc, call);
      return context.settling(handle(requests, context));
    },
  };
}

/** The only message of a method that takes one. */
async function only(requests: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array | undefined;
  for await (const request of requests) {
    if (first !== undefined)
      throw new GrpcFailure(Code.unimplemented, "the method takes one message, not several");
    first = request;
  }
  if (first !== undefined) return first;
  throw new GrpcFailure(Code.unimplemented, "the method takes one message, and none came");
}

/** Without a generator in between, which costs each message some promises. */
function map<From, To>(
  source: AsyncIterable<From>,
  convert: (from: From) => To,
): AsyncIterable<To> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<To, undefined> {
      const iterator = source[Symbol.asyncIterator]();
      return {
        async next() {
          const result = await iterator.next();
          if (result.done === true) return { done: true, value: undefined };
          return { done: false, value: convert(result.value) };
        },
        async return() {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** A message of at least so many bytes is looked at before it is decoded. */
const countedFrom = 64 * 1024;
/** The most fields of a message, each of a repeated one counted. Each becomes an object many times as large. */
const mostFields = 100_000;

function decode<Input extends DescMessage>(input: Input, bytes: Uint8Array): MessageShape<Input> {
  try {
    if (bytes.length >= countedFrom) checkFields(bytes);
    return fromBinary(input, bytes, { readUnknownFields: false });
  } catch (error) {
    if (error instanceof GrpcFailure) throw error;
    // The decoder of texts throws this one, the reader of messages others.
    const why =
      error instanceof TypeError
        ? "string field contains invalid UTF-8"
        : "proto: cannot parse invalid wire-format data";
    throw new GrpcFailure(Code.internal, `grpc: error unmarshalling request: ${why}`);
  }
}

function checkFields(bytes: Uint8Array): void {
  const reader = new BinaryReader(bytes);
  for (let fields = 0; reader.pos < reader.len; fields++) {
    if (fields === mostFields) {
      const text = `a message has at most ${mostFields} fields, each item of a list counted`;
      throw new GrpcFailure(Code.resourceExhausted, text);
    }
    const [, type] = reader.tag();
    reader.skip(type);
  }
}

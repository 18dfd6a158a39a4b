import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { CallContext, UnaryMethod } from "../grpc/server.ts";
import { GrpcFailure, type ResponseHeaders } from "../grpc/status.ts";

/** A unary method of one of our services: from the request to the response and its headers. */
export type Handler<Input extends DescMessage, Output extends DescMessage> = (
  request: MessageShape<Input>,
  context: CallContext,
) => Promise<HandlerAnswer<Output>> | HandlerAnswer<Output>;

export type HandlerAnswer<Output extends DescMessage> = {
  readonly message: MessageInitShape<Output>;
  readonly headers?: ResponseHeaders | undefined;
};

/** A handler with what it needs to be served by any lane. */
export type BoundMethod = {
  readonly desc: DescMethodUnary;
  /** On decoded messages, for Connect. */
  readonly handle: (
    request: MessageShape<DescMessage>,
    context: CallContext,
  ) => Promise<HandlerAnswer<DescMessage>>;
  /** On encoded messages, for the lean lane. */
  readonly handleBytes: UnaryMethod;
};

/** Binds a handler to its method. */
export function bindMethod<Input extends DescMessage, Output extends DescMessage>(
  desc: DescMethodUnary<Input, Output>,
  handler: Handler<Input, Output>,
): BoundMethod {
  const { input, output } = desc;
  return {
    desc,
    handle: async (request, context) => {
      if (!isOf(request, input)) throw new GrpcFailure(13, `${desc.name} got another message`);
      return handler(request, context);
    },
    handleBytes: async (bytes, context) => {
      const { message, headers } = await handler(decode(input, bytes), context);
      return { message: toBinary(output, create(output, message)), headers };
    },
  };
}

/** The path by which gRPC calls a method. */
export function methodPath(desc: { readonly parent: DescService; readonly name: string }): string {
  return `/${desc.parent.typeName}/${desc.name}`;
}

function decode<Input extends DescMessage>(input: Input, bytes: Uint8Array): MessageShape<Input> {
  try {
    return fromBinary(input, bytes);
  } catch {
    throw new GrpcFailure(
      13,
      "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
    );
  }
}

function isOf<Input extends DescMessage>(
  message: MessageShape<DescMessage>,
  input: Input,
): message is MessageShape<Input> {
  return message.$typeName === input.typeName;
}

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { InvokeBindingRequestSchema, InvokeBindingResponseSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { BindingError } from "../errors.ts";
import { GrpcFailure, type CallContext, type UnaryAnswer } from "../grpc/server.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { invokeFailure } from "./errors.ts";
import { baggageProblem, traceOfRequest } from "./trace.ts";

export const invokeBindingPath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** `Dapr/InvokeBinding` on encoded messages: the hot path of the way out. */
export function invokeBinding(runtime: Runtime): (message: Uint8Array, context: CallContext) => Promise<UnaryAnswer> {
  return async (message, context) => {
    const { name, operation, data, metadata } = decode(message);
    const problem = baggageProblem(context.headers);
    if (problem !== undefined) throw new GrpcFailure(3, problem);
    try {
      const answer = await runtime.invoke({
        name,
        operation,
        data: data.length === 0 ? undefined : data,
        encoding: "bytes",
        metadata: Object.assign(metadata, traceOfRequest(context.headers)),
        get signal() {
          return context.signal;
        },
      });
      const response = create(InvokeBindingResponseSchema);
      if (answer?.data !== undefined) response.data = answer.data;
      if (answer?.metadata !== undefined) response.metadata = answer.metadata;
      return {
        message: toBinary(InvokeBindingResponseSchema, response),
        headers: answer?.metadata && metadataHeaders(answer.metadata),
      };
    } catch (thrown) {
      const error = BindingError.from(thrown);
      throw invokeFailure(name, error, error.metadata && metadataHeaders(error.metadata));
    }
  };
}

function decode(message: Uint8Array) {
  try {
    return fromBinary(InvokeBindingRequestSchema, message);
  } catch {
    throw new GrpcFailure(13, "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
  }
}

/** Response metadata as headers `metadata.<name>`; what no header can carry is left out, line breaks become spaces. */
export function metadataHeaders(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) continue;
    headers[`metadata.${name.toLowerCase()}`] = headerText(value);
  }
  return headers;
}

/** Text as raw UTF-8 in a header: Node writes header text as Latin-1. */
export function headerText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what a header cannot carry
  const line = text.replaceAll(/[\r\n]/g, " ").replaceAll(/[\0-\x08\x0b-\x1f\x7f]/g, "");
  // oxlint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(line) ? line : Buffer.from(line, "utf8").toString("latin1");
}

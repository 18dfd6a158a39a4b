import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  InvokeBindingRequestSchema,
  InvokeBindingResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { call, connect, frame, messagesOf } from "../grpc/raw-client.ts";
import { send } from "../server/serve.ts";
import type { Road } from "./app.ts";
import type { Served } from "./cufflink.ts";
import type { Call, GrpcCall, HttpCall } from "./suite.ts";

/** What came back, as far as a client may rely on it. */
export type Answer = HttpAnswer | GrpcAnswer;

type HttpAnswer = {
  readonly status: number;
  readonly contentType?: string;
  /** The headers that begin with `metadata.`, their names in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly body: string;
};

type GrpcAnswer = {
  /** `null`: the stream was reset without a status. */
  readonly code: number | null;
  readonly message?: string;
  /** The `ErrorInfo` among the status' details. */
  readonly info?: { readonly reason: string; readonly domain: string };
  readonly data?: string;
  readonly metadata?: Readonly<Record<string, string>>;
};

const invokePath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

/** Makes a call over a road. `undefined`: that road does not know it. */
export async function ask(served: Served, road: Road, one: Call): Promise<Answer | undefined> {
  await one.before?.();
  if ("http" in one) return road === "http" ? askHttp(served.httpPort, one.http) : undefined;
  if ("grpc" in one) return road === "grpc" ? askGrpc(served.grpcPort, one.grpc) : undefined;
  const { binding, operation, metadata, data, deadline } = one;
  if (road === "http") {
    if (deadline !== undefined) return undefined;
    const body = JSON.stringify({ operation, metadata, data });
    return askHttp(served.httpPort, { path: `/v1.0/bindings/${binding}`, body });
  }
  const text = typeof data === "string" ? data : JSON.stringify(data);
  const message = create(InvokeBindingRequestSchema, {
    ...{ name: binding, operation: operation ?? "", metadata: { ...metadata } },
    data: Buffer.from(text ?? ""),
  });
  return askGrpc(served.grpcPort, {
    path: invokePath,
    headers: deadline === undefined ? {} : { "grpc-timeout": `${deadline}m` },
    body: frame(toBinary(InvokeBindingRequestSchema, message)),
  });
}

async function askHttp(port: number, { method = "POST", ...rest }: HttpCall): Promise<Answer> {
  const { path, headers = {}, body = "" } = rest;
  const length = { "content-length": String(Buffer.byteLength(body)) };
  const answer = await send(port, path, { method, body, headers: { ...length, ...headers } });
  const own = Object.entries(answer.headers).filter(([name]) => name.startsWith("metadata."));
  const contentType = answer.headers["content-type"];
  return {
    status: answer.status,
    ...(typeof contentType === "string" && { contentType }),
    ...(own.length > 0 && { metadata: sorted(own.map(([name, value]) => [name, String(value)])) }),
    body: textOf(answer.body),
  };
}

async function askGrpc(port: number, { path, headers, body }: GrpcCall): Promise<Answer> {
  const session = connect(port);
  try {
    const answer = await call(session, path, body, headers);
    const details =
      answer.trailers["grpc-status-details-bin"] ?? answer.headers["grpc-status-details-bin"];
    const info = details === undefined ? undefined : infoOf(String(details));
    const [packed] = messagesOf(answer.body);
    const message = packed && (answer.body[0] === 1 ? gunzipSync(packed) : packed);
    const response =
      path === invokePath && message !== undefined
        ? fromBinary(InvokeBindingResponseSchema, message)
        : undefined;
    const metadata = Object.entries(response?.metadata ?? {});
    return {
      code: Number.isNaN(answer.status) ? null : answer.status,
      ...(answer.text !== "" && { message: answer.text }),
      ...(info && { info }),
      ...(response && { data: textOf(Buffer.from(response.data)) }),
      ...(metadata.length > 0 && { metadata: sorted(metadata) }),
    };
  } finally {
    session.destroy();
  }
}

function infoOf(details: string): GrpcAnswer["info"] {
  const status = fromBinary(StatusSchema, Buffer.from(details, "base64"));
  const found = status.details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  if (found === undefined) return undefined;
  const { reason, domain } = fromBinary(ErrorInfoSchema, found.value);
  return { reason, domain };
}

function sorted(entries: [string, string][]): Record<string, string> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function textOf(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : `base64 ${bytes.toString("base64")}`;
}

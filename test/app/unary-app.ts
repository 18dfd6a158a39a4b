import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { startHttp2Server } from "../grpc/http2-server.ts";

type Handle = Parameters<typeof startHttp2Server>[0];
type Options = NonNullable<Parameters<typeof startHttp2Server>[1]>;

/** An app that knows Dapr's callback alone: as any gRPC library does, it refuses what it does not know at once. */
export function startUnaryApp(handle: Handle, options: Options = {}) {
  const { onStream, ...rest } = options;
  return startHttp2Server(handle, {
    ...rest,
    onStream: (stream, headers) =>
      refusesStream(stream, headers) || onStream?.(stream, headers) === true,
  });
}

export function refusesStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
  if (headers[":path"] !== "/cufflink.v1.AppCallback/OnBindingEvents") return false;
  const answer = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" };
  stream.respond(answer, { endStream: true });
  return true;
}

import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

type StreamListener = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void;

/**
 * Hands over the streams of a server, except those that ended before it got to know of them, as by a broken frame right
 * behind their headers: an answer to one throws.
 */
export function onOpenStream(server: Http2Server, take: StreamListener): void {
  server.on("stream", (stream: ServerHttp2Stream, ...rest) => {
    if (stream.destroyed || stream.closed) stream.on("error", () => undefined);
    else take(stream, ...rest);
  });
}

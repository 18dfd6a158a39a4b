import { ErrorCode } from "../http2/error-code.ts";
import type { Http2ClientConnection } from "../http2/client-connection.ts";
import type { HeaderBlock, HeaderRecord } from "../http2/header-block.ts";
import type { Http2Stream } from "../http2/stream.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";

/** Headers that speak of one connection, and those that say the same otherwise in HTTP/2. */
const left: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"],
  ...["http2-settings", "host", "expect"],
]);

/** Hands a request over a connection of HTTP/2 to who answers it, whatever it is, and the answer back as it comes. */
export function forwardExchange(exchange: HttpExchange, to: Http2ClientConnection): void {
  let stream: Http2Stream;
  try {
    stream = to.open(requestFields(exchange), {
      headers(block, isLast) {
        setHeaders(exchange, block);
        const status = Number(block.get(":status"));
        // An error of gRPC is a head alone.
        if (isLast) exchange.answer(status);
        else exchange.begin(status);
      },
      data(part) {
        if (exchange.write(part)) return;
        stream.pause();
        void exchange.whenDrained().then(() => stream.resume());
      },
      ended: (trailers) => {
        if (!exchange.isEnded && !exchange.isClosed)
          exchange.end(trailers && fieldsOf(trailers.record));
      },
      drained: () => exchange.resume(),
      closed(reset) {
        if (reset !== undefined && !exchange.isEnded) exchange.abort();
      },
    });
  } catch {
    // Headers that HTTP/2 does not carry, or a connection that ends with the process.
    return exchange.isHttp2 ? exchange.abort() : exchange.answer(503);
  }
  const cancel = (): void => {
    if (!stream.isClosed) stream.reset(ErrorCode.cancel);
  };
  exchange.onClosed(() => {
    if (!exchange.isEnded) cancel();
  });
  exchange.read({
    data(chunk) {
      if (!stream.write(new Uint8Array(chunk))) exchange.pause();
    },
    ended: () => stream.end(),
    gone: () => {
      if (!exchange.isEnded) cancel();
    },
  });
}

function requestFields(exchange: HttpExchange): string[] {
  const authority = exchange.get(":authority") ?? exchange.get("host") ?? "localhost";
  return [
    ...[":method", exchange.method, ":scheme", "http"],
    ...[":authority", authority, ":path", exchange.target],
    ...fieldsOf(exchange.record),
  ];
}

function fieldsOf(record: HeaderRecord): string[] {
  return Object.entries(record).flatMap(([name, value]) => {
    if (value === undefined || name.startsWith(":") || left.has(name)) return [];
    if (name === "te" && value !== "trailers") return [];
    return (typeof value === "string" ? [value] : value).flatMap((one) => [name, one]);
  });
}

function setHeaders(exchange: HttpExchange, block: HeaderBlock): void {
  for (const [name, value] of Object.entries(block.record)) {
    // The date is made where the answer goes out.
    if (value !== undefined && !name.startsWith(":") && name !== "date")
      exchange.setHeader(name, value);
  }
}

import type { Http2Session, ServerOptions, SessionOptions } from "node:http2";

/** What one stream may send before the other side has read it. */
export const streamWindowBytes = 1024 * 1024;

/** What all streams of a connection together may send before the other side has read it. */
const connectionWindowBytes = 16 * 1024 * 1024;

/**
 * For either side. Node's own limit of 10 MB a session lets three of 32 concurrent answers of 4 MiB
 * through and resets the others.
 */
export const http2SessionOptions = { maxSessionMemory: 1024 } satisfies SessionOptions;

/** For a server. */
export const http2ServerOptions = {
  ...http2SessionOptions,
  settings: {
    initialWindowSize: streamWindowBytes,
    maxConcurrentStreams: 4096,
    maxFrameSize: 64 * 1024,
    maxHeaderListSize: 16 * 1024,
    enablePush: false,
  },
  // So many resets at once, and so many a second, end in a GOAWAY. Node's own limits end a session that sees 200
  // cancellations a second after six seconds, which callers with short deadlines reach in earnest; 1,000 a second pass
  // here, and 10,000 a second do not for half a second.
  streamResetBurst: 3000,
  streamResetRate: 1500,
} satisfies ServerOptions;

/** Opens the connection's window as wide as the settings cannot: they govern single streams alone. */
export function widenWindow(
  session: Pick<Http2Session, "destroyed"> & { setLocalWindowSize(size: number): void },
): void {
  if (!session.destroyed) session.setLocalWindowSize(connectionWindowBytes);
}

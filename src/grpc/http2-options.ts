import type { ServerHttp2Session, SessionOptions, Settings } from "node:http2";

/** What one stream may send before the other side has read it. */
export const streamWindowBytes = 1024 * 1024;

/** What all streams of a connection together may send before the other side has read it. */
export const connectionWindowBytes = 16 * 1024 * 1024;

/** What a session says of itself at its start. */
export const http2Settings = {
  initialWindowSize: streamWindowBytes,
  maxConcurrentStreams: 1000,
  enablePush: false,
} satisfies Settings;

/**
 * For either side. Node's own limit of 10 MB a session lets three of 32 concurrent answers of 4 MiB
 * through and resets the others.
 */
export const http2SessionOptions = {
  maxSessionMemory: 4096,
} satisfies SessionOptions;

/**
 * For a server. Node's own limits end a session that sees 200 cancellations a second after six
 * seconds, which callers with short deadlines reach in earnest.
 */
export const http2ServerOptions = {
  ...http2SessionOptions,
  settings: http2Settings,
  streamResetBurst: 20_000,
  streamResetRate: 10_000,
} as const;

/** Opens the connection's window as wide as the settings cannot: they govern single streams alone. */
export function widenWindow(session: Pick<ServerHttp2Session, "setLocalWindowSize" | "destroyed">): void {
  if (!session.destroyed) session.setLocalWindowSize(connectionWindowBytes);
}

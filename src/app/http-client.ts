import type { Link } from "./availability.ts";

export type HttpRequest = {
  readonly method: "GET" | "OPTIONS" | "POST";
  /** Path and query. */
  readonly target: string;
  /** Names in lower case; values are byte strings. */
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array | undefined;
};

export type HttpLimits = {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. Default: none. */
  readonly timeout?: number | undefined;
};

/**
 * - `answered`: with any status.
 * - `unsent`: nothing of the request was written.
 * - `broken`: it was written, and no whole answer came.
 */
export type HttpResult =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** Names in lower case. */
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
      readonly body: Uint8Array;
    }
  | { readonly kind: "unsent"; readonly reason: string }
  | { readonly kind: "broken"; readonly reason: string };

/** Sends requests to one HTTP server, whichever version it speaks. */
export type HttpClient = Link & {
  /** Never rejects. */
  send(request: HttpRequest, limits: HttpLimits): Promise<HttpResult>;
  close(): Promise<void>;
};

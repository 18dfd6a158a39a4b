/** One call of an output binding, as `rpc/`, `server/` and the embedding API hand it to the runtime. */
export type Invocation = {
  /** The component's name. */
  readonly name: string;
  readonly operation: string;
  /** Byte for byte as the caller sent it; `undefined`: none was given. */
  readonly data: Uint8Array | undefined;
  /** `json` when `data` is the text of a JSON value from Dapr's HTTP path. */
  readonly encoding: "bytes" | "json";
  /** The request's own metadata, never transport headers, with the trace context put in. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborted when the caller cancelled or its deadline passed. May be a getter: few bindings look. */
  readonly signal: AbortSignal;
  /** As of a `Call`. May be a getter. */
  readonly deadline?: number | undefined;
};

/** One call whose payload comes in parts. */
export type StreamInvocation = Omit<Invocation, "data" | "encoding"> & {
  readonly body: StreamBody;
};

/** A payload that can be read once. */
export type StreamBody = AsyncIterable<Uint8Array> & {
  /** A part was taken, so the call cannot be repeated. */
  readonly begun: boolean;
};

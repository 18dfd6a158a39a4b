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
  /** Aborted when the caller gave up or its deadline passed. May be a getter: few bindings look. */
  readonly signal: AbortSignal;
};

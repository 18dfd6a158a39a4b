/** What an operation answers. */
export type Answer = {
  data?: Uint8Array | undefined;
  metadata?: Record<string, string> | undefined;
};

/** An answer whose payload may come in parts. */
export type StreamAnswer = Answer & {
  /**
   * In place of `data`: read no faster than the caller takes it, and not to the end when the caller goes. One that
   * is never begun is dropped as it is, so it opens what it needs when it is first asked.
   */
  body?: AsyncIterable<Uint8Array> | undefined;
};

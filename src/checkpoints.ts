/** Where an input keeps how far the events of a source without acknowledgements of its own were handled. */
export type Checkpoints = {
  /**
   * The checkpoint of one partition of the component's source; the empty text where there is one only.
   *
   * `fingerprint` tells the source from another one that the component had before (its URL, its query, a path; no
   * secret): a checkpoint of that one is not used, which is logged. Rejects with a `BindingError` (`unavailable`)
   * when the store cannot be read. Where the runtime has no store, it lasts as long as the process.
   */
  open(partition: string, fingerprint: string): Promise<Checkpoint>;
};

export type Checkpoint = {
  /** All up to here was handled, as the store knows it at the opening; `undefined`: the source is read for the first time. */
  readonly position: string | undefined;
  /**
   * Takes the next position, in the order of the source. The returned function is to be called when what belongs to it
   * was handled. A position is kept once that is so for it and for all before it.
   */
  advance(position: string): () => void;
  /** Resolves once the store has what was handled so far. Rejects with a `BindingError` when it cannot. */
  flush(): Promise<void>;
};

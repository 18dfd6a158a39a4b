/** Who reads the source of one component, of the replicas of an app id. */
export type Ownership = {
  /**
   * Whether this replica may dispatch and settle now. It looks at the clock: false as soon as the lease has run out, even
   * where no timer could run. Cheap: asked before each dispatch and each settlement.
   */
  readonly held: boolean;
  /** Whether it may read: false before the lease ends, so that what is under way can be settled while it is held. */
  readonly reads: boolean;
  /** Who reads, in a sentence, while this replica does not. */
  readonly reason: string;
  /** Since when it is so, in milliseconds since 1970. */
  readonly since: number;
  /** The fencing token; `undefined` while another replica reads, and where one process has the store alone. */
  readonly epoch: number | undefined;
  /** How long what is under way may take before the lease ends, in milliseconds; 0 when it is over. */
  readonly remaining: number;
  /** The store's clock, in milliseconds since 1970; before it is known, the process's own. */
  now(): number;
  /** Called after {@link Ownership.reads} has changed, or the reason why it has not. The result ends that. */
  onChange(run: () => void): () => void;
  /** What was read is settled, after {@link Ownership.reads} has become false: another replica may begin now. */
  readingEnded?(): void;
  /** Gives it up: nothing is read any more. Another replica begins at once. Never rejects. */
  release(): Promise<void>;
};

/** Which replica owns a component, as the store tells it. */
export type Owner = {
  readonly component: string;
  readonly replica: string;
  /** Since when, by the store's clock, in milliseconds since 1970. */
  readonly since: number;
};

/** The replicas of an app id that share a store. */
export type Fleet = {
  /** The id of this replica. */
  readonly replica: string;
  /** Whether inputs whose source cannot be shared are singletons where their component does not say otherwise. */
  readonly singleton: boolean;
  /**
   * Asks for the component. Each call is ended by `release`; the last one gives the lease up. `movable`: the lease may be handed to a
   * replica that has fewer, since the caller calls {@link Ownership.readingEnded}.
   */
  own(component: string, movable?: boolean): Ownership;
  /** The components that a replica owns now. */
  owners(): readonly Owner[];
};

/** Thrown by a handler: deliver the event again. This counts as an attempt. So does anything else that is thrown. */
export class Retry extends Error {
  override readonly name = "Retry";
  /** The least pause before the next attempt, in milliseconds. Absent: as the component's policy says. */
  readonly after: number | undefined;

  constructor(reason: string, options: { readonly after?: number; readonly cause?: unknown } = {}) {
    super(reason, options);
    this.after = options.after;
  }
}

/** Thrown by a handler: no attempt will get this event handled, put it aside for a person to look at. */
export class DeadLetter extends Error {
  override readonly name = "DeadLetter";
  // The two would be alike to TypeScript, and are not.
  readonly kind = "deadLetter";
}

/** Thrown by a handler: the event is not handled, and nobody needs it. It is forgotten. */
export class Drop extends Error {
  override readonly name = "Drop";
  readonly kind = "drop";
}

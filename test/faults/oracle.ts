/** What every produced event carries: events of one key are numbered from 1 in the order in which they were produced. */
export type OracleEvent = {
  readonly key: string;
  readonly sequence: number;
  readonly uuid: string;
};

/** An event that was given to a source. Times are milliseconds since 1970. */
export type Produced = OracleEvent & {
  /** When the source said that it has the event for good, or that it is not known whether it has. */
  readonly at: number;
  /** When it was given to the source. Absent: as `at`. */
  readonly sent?: number;
  /** Whether it said so. Else the event may come or not: it is no loss, no duplicate and in no order. */
  readonly durable: boolean;
};

/** One time that the app handled an event. */
export type Handled = OracleEvent & {
  /** When this attempt reached the app. */
  readonly receivedAt: number;
  /** When the app was done with it. */
  readonly at: number;
  readonly attempt: number;
};

export type Observations = {
  readonly produced: readonly Produced[];
  readonly handled: readonly Handled[];
  /** Uuids of the events in the dead letters. */
  readonly deadLettered?: ReadonlySet<string>;
  /**
   * When each process of the runtime was started. Order holds within one: what the next one does not know
   * to be handled comes again from there on.
   */
  readonly lives?: readonly number[];
};

export type Verdict = {
  readonly produced: number;
  /** Different events that were handled. */
  readonly handled: number;
  /** Durable, and neither handled nor in the dead letters. */
  readonly lost: readonly Produced[];
  /** How many times more than once events were handled. */
  readonly duplicates: number;
  /** An event handled for the first time after a later one of its key. */
  readonly reordered: readonly Disorder[];
  /** An event handled again, by the same process of the runtime, after a later one of its key. */
  readonly rewound: readonly Disorder[];
  /** The longest time from the source's word to the first handling, in milliseconds. */
  readonly longestDelay: number;
  readonly deadLettered: number;
  /** Handled, and never produced. */
  readonly unknown: number;
};

/** An event, and the later one of its key that was handled before it. */
export type Disorder = { readonly event: Handled; readonly after: Handled };

/** Compares what was produced with what the app handled. */
export function judge(observations: Observations): Verdict {
  const { produced, deadLettered = new Set<string>(), lives = [] } = observations;
  const handled = [...observations.handled].sort((one, other) => one.at - other.at);
  const known = new Map(produced.map((event) => [event.uuid, event]));
  const first = new Map<string, Handled>();
  let duplicates = 0;
  for (const event of handled) {
    if (!first.has(event.uuid)) first.set(event.uuid, event);
    else if (known.get(event.uuid)?.durable === true) duplicates++;
  }
  const durable = produced.filter((event) => event.durable);
  const counted = handled.filter((event) => known.get(event.uuid)?.durable === true);
  const delays = durable.map((event) => (first.get(event.uuid)?.at ?? event.at) - event.at);
  return {
    produced: durable.length,
    handled: first.size,
    lost: durable.filter(({ uuid }) => !first.has(uuid) && !deadLettered.has(uuid)),
    duplicates,
    reordered: disorders(
      counted.filter((event) => first.get(event.uuid) === event),
      () => "",
    ),
    rewound: disorders(counted, ({ receivedAt }) =>
      String(lives.filter((start) => start <= receivedAt).length),
    ).filter(({ event }) => first.get(event.uuid) !== event),
    longestDelay: Math.max(0, ...delays),
    deadLettered: durable.filter(({ uuid }) => deadLettered.has(uuid)).length,
    unknown: [...first.keys()].filter((uuid) => !known.has(uuid)).length,
  };
}

/** Events that come after a later one of their key within the same life. */
function disorders(events: readonly Handled[], lifeOf: (event: Handled) => string): Disorder[] {
  const latest = new Map<string, Handled>();
  const found: Disorder[] = [];
  for (const event of events) {
    const line = `${lifeOf(event)} ${event.key}`;
    const before = latest.get(line);
    if (before !== undefined && before.sequence > event.sequence)
      found.push({ event, after: before });
    else latest.set(line, event);
  }
  return found;
}

/** What a signal can give up. */
export type Cancellable = { cancelled(): void };

/** The calls of one signal. */
export type Heeded = {
  readonly signal: AbortSignal;
  readonly calls: Set<Cancellable>;
  readonly listener: () => void;
  /** It had a second call: it will have more. */
  isShared: boolean;
  isIdle: boolean;
};

/** Many calls share a signal, and a listener for each would cost more than the rest. */
const heeded = new WeakMap<AbortSignal, Heeded>();
let lastHeeded: Heeded | undefined;

/** Shared signals without calls, which keep their listener until there are so many of them. */
let idle: Heeded[] = [];
const mostIdle = 64;

/** Gives the call up once the signal is aborted, which it must not be yet. */
export function heed(signal: AbortSignal, call: Cancellable): Heeded {
  const known = lastHeeded?.signal === signal ? lastHeeded : heeded.get(signal);
  if (known !== undefined) {
    known.calls.add(call);
    known.isShared = true;
    lastHeeded = known;
    return known;
  }
  const calls = new Set([call]);
  const listener = (): void => {
    heeded.delete(signal);
    if (lastHeeded?.signal === signal) lastHeeded = undefined;
    for (const one of calls) one.cancelled();
  };
  const made: Heeded = { signal, calls, listener, isShared: false, isIdle: false };
  heeded.set(signal, made);
  signal.addEventListener("abort", listener, { once: true });
  return made;
}

/** The call does not heed it any more. */
export function forget(known: Heeded, call: Cancellable): void {
  const { calls } = known;
  if (!calls.delete(call) || calls.size > 0 || known.isIdle) return;
  if (!known.isShared) return release(known);
  known.isIdle = true;
  idle.push(known);
  if (idle.length < mostIdle) return;
  const all = idle;
  idle = [];
  for (const one of all) {
    one.isIdle = false;
    if (one.calls.size === 0) release(one);
  }
}

function release({ signal, listener }: Heeded): void {
  if (lastHeeded?.signal === signal) lastHeeded = undefined;
  heeded.delete(signal);
  signal.removeEventListener("abort", listener);
}

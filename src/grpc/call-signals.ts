/** What a signal can give up. */
export type Cancellable = {
  cancelled(): void;
  /** Where {@link Heeded} keeps it; of nobody else's concern. */
  heededAt: number;
};

/** The calls of one signal. */
export type Heeded = {
  readonly signal: AbortSignal;
  /** In any order. A set would leave tables behind that keep calls which are over. */
  readonly calls: Cancellable[];
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
    call.heededAt = known.calls.push(call) - 1;
    known.isShared = true;
    lastHeeded = known;
    return known;
  }
  const calls = [call];
  call.heededAt = 0;
  const listener = (): void => {
    heeded.delete(signal);
    if (lastHeeded?.signal === signal) lastHeeded = undefined;
    // Each forgets the signal.
    for (const one of calls.slice()) one.cancelled();
  };
  const made: Heeded = { signal, calls, listener, isShared: false, isIdle: false };
  heeded.set(signal, made);
  signal.addEventListener("abort", listener, { once: true });
  return made;
}

/** The call, which has heeded it, does not any more. */
export function forget(known: Heeded, call: Cancellable): void {
  const { calls } = known;
  const last = calls.pop();
  if (last !== undefined && last !== call) {
    calls[call.heededAt] = last;
    last.heededAt = call.heededAt;
  }
  if (calls.length > 0 || known.isIdle) return;
  if (!known.isShared) return release(known);
  known.isIdle = true;
  idle.push(known);
  if (idle.length < mostIdle) return;
  const all = idle;
  idle = [];
  for (const one of all) {
    one.isIdle = false;
    if (one.calls.length === 0) release(one);
  }
}

function release({ signal, listener }: Heeded): void {
  if (lastHeeded?.signal === signal) lastHeeded = undefined;
  heeded.delete(signal);
  signal.removeEventListener("abort", listener);
}

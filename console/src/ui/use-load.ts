import { useCallback, useEffect, useState } from "preact/hooks";
import { isAborted, problemOf } from "../daemon.ts";

/** Something that is fetched. */
export type Load<T> = {
  readonly value: T | undefined;
  /** Why it could not be fetched. Empty: it could, or is being fetched. */
  readonly problem: string;
  readonly loading: boolean;
  /** Fetches it again. What was there stays until then. */
  readonly again: () => void;
};

/**
 * Fetches something when the page opens and when `keys` or `versions` change; what is not wanted any more is given up. Where
 * only a version changes, what was there stays until the new one is.
 */
export function useLoad<T>(
  fetch: (signal: AbortSignal) => Promise<T>,
  keys: readonly (string | number | bigint)[],
  versions: readonly (string | number | bigint)[] = [],
): Load<T> {
  const key = keys.join("\n");
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{ key: string; value?: T; problem: string; loading: boolean }>(
    {
      key,
      problem: "",
      loading: true,
    },
  );
  useEffect(() => {
    const controller = new AbortController();
    setState((before) =>
      before.key === key
        ? { ...before, problem: "", loading: true }
        : { key, problem: "", loading: true },
    );
    fetch(controller.signal).then(
      (value) => setState({ key, value, problem: "", loading: false }),
      (error: unknown) => {
        if (!isAborted(error)) setState({ key, problem: problemOf(error), loading: false });
      },
    );
    return () => controller.abort();
    // `fetch` is made anew each time; what it depends on is in the keys.
  }, [key, round, ...versions]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  const current = state.key === key;
  return {
    value: current ? state.value : undefined,
    problem: current ? state.problem : "",
    loading: !current || state.loading,
    again,
  };
}

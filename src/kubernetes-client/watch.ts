import { clock } from "../clock.ts";
import type { MemoryShare } from "../memory/budget.ts";
import type { Collection, KubernetesClient, WatchOptions } from "./client.ts";
import { linesOf } from "./lines.ts";

/** So much later, in milliseconds, a watch that the server has not ended counts as dead. */
const overdue = 10_000;

export type WatchedOptions = Omit<WatchOptions, "timeoutSeconds"> & {
  /** The watch ends after so many seconds, or up to half as many more, so that not all end together. */
  readonly seconds: number;
  readonly memory: MemoryShare;
  /** Told once the server has taken the watch. */
  readonly onBegin: () => void;
};

/** The lines of one watch, until the server or the signal ends it, or it is overdue. Throws a `BindingError`. */
export async function* watchedLines(
  client: KubernetesClient,
  collection: Collection,
  { seconds, memory, onBegin, ...options }: WatchedOptions,
): AsyncGenerator<string> {
  const timeoutSeconds = seconds + Math.floor((Math.random() * seconds) / 2);
  const parts = await client.watch(collection, { ...options, timeoutSeconds });
  onBegin();
  let isOver = false;
  const end = clock.setTimeout(
    () => {
      isOver = true;
      parts.destroy();
    },
    timeoutSeconds * 1000 + overdue,
  );
  end.unref();
  try {
    yield* linesOf(parts, memory);
  } catch (error) {
    if (!isOver) throw error;
  } finally {
    clock.clearTimeout(end);
  }
}

import type { StoredPause } from "../records.ts";
import type { PauseStore } from "../store.ts";

/** The pauses of a store that one process has: whoever watches is told of what this process does. */
export function watchedPauses(pauses: Omit<PauseStore, "watch">): PauseStore {
  const watchers = new Set<(component: string, pause: StoredPause | undefined) => void>();
  const tell = (component: string, pause: StoredPause | undefined): void => {
    for (const watcher of [...watchers]) watcher(component, pause);
  };
  return {
    load: (component) => pauses.load(component),
    async put(component, pause) {
      await pauses.put(component, pause);
      tell(component, pause);
    },
    async remove(component) {
      await pauses.remove(component);
      tell(component, undefined);
    },
    watch(changed) {
      const watcher: typeof changed = (component, pause) => changed(component, pause);
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
  };
}

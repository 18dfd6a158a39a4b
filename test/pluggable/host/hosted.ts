import { PluggableBindings } from "../../../src/pluggable/host/pluggable-bindings.ts";
import { SocketsFolder } from "../../../src/pluggable/sockets-folder.ts";
import type { RuntimeOptions } from "../../../src/runtime/runtime-options.ts";
import { startRuntime } from "../../runtime/fake-binding.ts";

/** What hosts the components of a folder. */
export function pluggableIn(folder: string, names: readonly string[] = ["kafka", "redis"]) {
  return new PluggableBindings({
    folder: new SocketsFolder(folder, true),
    names: () => names,
    onShadowed() {},
  });
}

/** A runtime that hosts the components of a folder. */
export function hostOf(folder: string, options: Partial<RuntimeOptions> = {}) {
  return startRuntime({ pluggable: pluggableIn(folder), ...options });
}

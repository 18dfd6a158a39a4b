import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The runtime's own module, as `index.ts` or what was built of it lies beside this file. */
const own = new URL(import.meta.url.endsWith(".ts") ? "./index.ts" : "./index.js", import.meta.url)
  .href;

/** Before the name of a package that is to be looked for from another folder: `scheme + name + " " + URL`. */
const scheme = "cufflink-package:";

/** TypeScript that is an ES module whatever the manifest above it says. */
const modules = new Set<string>();

let isRegistered = false;

/**
 * Makes `import … from "cufflink"` mean this process's own module, from wherever it is written and however Cufflink was
 * installed: its `BindingError` is the one that the runtime knows. `url` is an own binding; its TypeScript is read as the
 * ES module that it is.
 */
export function useOwnModule(url: string): void {
  if (url.endsWith(".ts")) modules.add(url);
  register();
}

/** The URL of what `import NAME` of a file in the folder would load. Throws what such an import throws. */
export function resolvePackage(name: string, folder: string): string {
  register();
  return import.meta.resolve(
    `${scheme}${name} ${pathToFileURL(join(folder, "package.json")).href}`,
  );
}

function register(): void {
  if (isRegistered) return;
  isRegistered = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === "cufflink") return { url: own, shortCircuit: true };
      if (specifier.startsWith(scheme)) {
        const [name = "", parentURL] = specifier.slice(scheme.length).split(" ");
        return next(name, { ...context, parentURL });
      }
      const resolved = next(specifier, context);
      return modules.has(resolved.url) ? { ...resolved, format: "module-typescript" } : resolved;
    },
  });
}

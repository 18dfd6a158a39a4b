import { isAbsolute, join, resolve } from "node:path";

/**
 * The folder of an app's durable records: `cufflink/<app id>` in `stateDir`, else in `$XDG_STATE_HOME`, else in
 * `~/.local/state`. `undefined`: none of them is known.
 */
export function stateFolder(
  appId: string,
  stateDir: string | undefined,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = environment;
  // A relative path there is to be ignored, says XDG's specification.
  const inherited = isAbsolute(state) ? state : isAbsolute(home) && join(home, ".local/state");
  const base = stateDir === undefined ? inherited : resolve(stateDir);
  if (base === false) return undefined;
  return join(base, "cufflink", folderName(appId));
}

/** An app id as one part of a path, whatever is in it. */
function folderName(appId: string): string {
  return encodeURIComponent(appId).replace(/^\.+$/, (dots) => dots.replaceAll(".", "%2E"));
}

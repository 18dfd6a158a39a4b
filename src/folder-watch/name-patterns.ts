import { matchesGlob } from "node:path";

/** Names that programs use for unfinished files, and dot files. */
export const unfinishedNames =
  ".*,*~,~$*,#*#,*.tmp,*.temp,*.part,*.partial,*.crdownload,*.filepart,*.swp,*.swx";

/** Whether a name is one of the patterns, with `*` and `?`, in any case. */
export function matches(name: string, patterns: readonly string[]): boolean {
  // A pattern is about a name, so `*` takes a leading dot too: which dot files to leave is `ignore`'s to say.
  const bare = name.toLowerCase().replace(/^\./, "\u0001");
  return patterns.some((pattern) =>
    matchesGlob(bare, pattern.toLowerCase().replace(/^\./, "\u0001")),
  );
}

/** Reads `true` and `false` as Go's programs do: also `t`, `1`, `TRUE` and so on. `undefined`: neither. */
export function parseBoolean(text: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  return undefined;
}
